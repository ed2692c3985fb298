import hashlib
import stat
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.packet import Packet
from av.video.stream import VideoStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import UnsupportedError, WriteError
from agent.media import VIDEO_CLOCK_RATE, Codec, EncodedFrame, Kind
from agent.recording.container import Container
from agent.recording.encoding import VideoEncoder
from agent.recording.joining import MixedCodecsError, Placed, join, salvage
from agent.recording.scan import UnreadableError, scan
from tests.agent.recording.probes import heard, largest_file, shown
from tests.films import FPS, SIZE, encoded, late_audio, late_video, pictures, sound, write_part


def film(seconds: float, at_s: float, encoder: VideoEncoder | None = None) -> list[EncodedFrame]:
    video = [late_video(frame, at_s) for frame in pictures(seconds)]
    audio = [late_audio(frame, at_s) for frame in sound(seconds)]
    return encoded(video, audio, video_encoder=encoder)


def speech(seconds: float, at_s: float) -> list[EncodedFrame]:
    return encoded(audio=[late_audio(frame, at_s) for frame in sound(seconds)])


def part(path: Path, frames: list[EncodedFrame], start_s: float) -> Placed:
    write_part(path, frames, start_s=start_s)
    return Placed(path, start_s)


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_a_camera_that_comes_late_is_in_the_same_file(tmp_path: Path, container: Container) -> None:
    parts = [
        part(tmp_path / "a.mkv", speech(3, 10), 10),
        part(tmp_path / "a.2.mkv", film(3, 13.04), 13.04),
    ]

    joined = join(parts, tmp_path / f"joined.{container}", container=container)

    assert joined.start_s == 10
    assert joined.duration_s == pytest.approx(6.04, abs=0.03)
    found = shown(joined.path)
    assert [number for _, number in found] == list(range(90))
    assert found[0][0] == pytest.approx(3.04, abs=0.001)
    # A new encoder's first sound has its delay before it, which only a file's start leaves out.
    assert heard(joined.path) == pytest.approx([1, 2, 3.04, 4.04, 5.04], abs=0.0015)
    assert scan(joined.path).duration_s == pytest.approx(6.04, abs=0.03)


def test_a_part_whose_sound_began_before_the_pictures_of_the_one_before_keeps_its_place(
    tmp_path: Path,
) -> None:
    """The sound was announced after the first picture, and belongs before it."""
    everything = film(2, 5.0)
    video = [frame for frame in everything if frame.codec.kind is Kind.VIDEO]
    picture, rest = video[0], VideoEncoder()
    later = [late_video(frame, 5.0) for frame in list(pictures(2))[1:]]
    audio = [late_audio(frame, 4.98) for frame in sound(2)]
    parts = [
        part(tmp_path / "a.mkv", [picture], 5.0),
        part(tmp_path / "a.2.mkv", encoded(later, audio, video_encoder=rest), 4.98),
    ]

    joined = join(parts, tmp_path / "joined.mkv")

    found = shown(joined.path)
    assert [number for _, number in found] == list(range(60))
    assert found[0][0] == pytest.approx(0.02, abs=0.001)


def test_the_result_can_be_sought_in(tmp_path: Path) -> None:
    parts = [
        part(tmp_path / "a.mkv", film(5, 0), 0),
        part(tmp_path / "a.2.mkv", film(5, 5.1), 5.1),
    ]

    joined = join(parts, tmp_path / "joined.mkv")

    with av.open(str(joined.path)) as container:
        container.seek(8_000_000)
        assert next(container.decode(video=0)).time == pytest.approx(7.1, abs=0.002)


def test_the_index_of_mp4_comes_first(tmp_path: Path) -> None:
    placed = part(tmp_path / "a.mkv", film(1, 0), 0)

    joined = join([placed], tmp_path / "joined.mp4", container="mp4")

    content = joined.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_webm_takes_vp8(tmp_path: Path) -> None:
    placed = part(tmp_path / "a.mkv", film(1, 0, VideoEncoder(Codec.VP8)), 0)

    joined = join([placed], tmp_path / "joined.webm", container="webm")

    assert len(shown(joined.path)) == 30


@pytest.mark.parametrize(
    ("codec", "encoder", "container"),
    [
        (Codec.VP9, "libvpx-vp9", "mkv"),
        (Codec.VP9, "libvpx-vp9", "webm"),
        (Codec.AV1, "libsvtav1", "mkv"),
        (Codec.AV1, "libsvtav1", "mp4"),
        (Codec.AV1, "libsvtav1", "webm"),
    ],
)
def test_what_others_encoded_is_written_as_it_came(
    tmp_path: Path, codec: Codec, encoder: str, container: Container
) -> None:
    frames = sorted([*foreign(codec, encoder), *speech(1, 0)], key=lambda frame: frame.time)
    placed = part(tmp_path / "a.mkv", frames, 0)

    joined = join([placed], tmp_path / f"joined.{container}", container=container)

    for path in (placed.path, joined.path):
        assert [number for _, number in shown(path)] == list(range(10))
        assert scan(path).streams[Kind.VIDEO].codec is codec


def foreign(codec: Codec, encoder: str) -> list[EncodedFrame]:
    """Return ten pictures as another encoder makes them, each at once."""
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height = SIZE
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, VIDEO_CLOCK_RATE)
    context.framerate = Fraction(FPS)
    context.options = (
        {"preset": "12", "svtav1-params": "pred-struct=1:lookahead=0:rtc=1"}
        if codec is Codec.AV1
        else {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    )
    packets: list[Packet[VideoStream]] = []
    for frame in pictures(10 / FPS):
        picture = av.VideoFrame.from_ndarray(frame.i420, "yuv420p")
        picture.pts = frame.pts
        picture.time_base = context.time_base
        packets += context.encode(picture)
    packets += context.encode(None)
    return [
        EncodedFrame(
            bytes(packet), codec, packet.pts or 0, VIDEO_CLOCK_RATE, packet.is_keyframe, *SIZE
        )
        for packet in packets
    ]


def test_vp9_in_mp4_which_players_refuse_is_refused(tmp_path: Path) -> None:
    placed = part(tmp_path / "a.mkv", foreign(Codec.VP9, "libvpx-vp9"), 0)

    with pytest.raises(UnsupportedError, match="mp4 can't carry vp9; mkv can"):
        join([placed], tmp_path / "joined.mp4", container="mp4")


def test_sizes_may_differ_from_part_to_part(tmp_path: Path) -> None:
    encoder = VideoEncoder()
    small = encoded(pictures(1, size=(160, 90)), video_encoder=encoder)
    large = encoded(
        [late_video(frame, 1) for frame in pictures(1, size=(640, 360))], video_encoder=encoder
    )
    parts = [part(tmp_path / "a.mkv", small, 0), part(tmp_path / "a.2.mkv", large, 1)]

    joined = join(parts, tmp_path / "joined.mkv")

    with av.open(str(joined.path)) as container:
        found = [(picture.width, picture.height) for picture in container.decode(video=0)]
    assert found == [(160, 90)] * 30 + [(640, 360)] * 30


def test_the_facts_are_those_of_the_file(tmp_path: Path) -> None:
    placed = part(tmp_path / "a.mkv", film(1, 0), 0)

    joined = join([placed], tmp_path / "joined.mkv", tags={"title": "demo"})

    content = joined.path.read_bytes()
    assert joined.bytes == len(content)
    assert joined.sha256 == hashlib.sha256(content).hexdigest()
    assert stat.S_IMODE(joined.path.stat().st_mode) == 0o600
    with av.open(str(joined.path)) as container:
        assert container.metadata["title"] == "demo"


def test_a_part_may_be_replaced_by_the_result(tmp_path: Path) -> None:
    parts = [
        part(tmp_path / "a.mkv", speech(1, 0), 0),
        part(tmp_path / "a.2.mkv", speech(1, 1.5), 1.5),
    ]

    join(parts, tmp_path / "a.mkv")

    assert scan(tmp_path / "a.mkv").end_s == pytest.approx(2.5, abs=0.03)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.2.mkv", "a.mkv"]


def test_a_torn_part_is_joined_as_far_as_it_goes(tmp_path: Path) -> None:
    first = part(tmp_path / "a.mkv", film(5, 0), 0)
    content = first.path.read_bytes()
    first.path.write_bytes(content[: len(content) * 2 // 3])
    left_s = salvage(first.path).end_s
    second = part(tmp_path / "a.2.mkv", film(2, 6), 6)

    joined = join([first, second], tmp_path / "joined.mkv")

    assert 1 < left_s < 5
    video = scan(joined.path).streams[Kind.VIDEO]
    assert video.gaps[0].start_s == pytest.approx(left_s, abs=0.1)
    assert video.gaps[0].end_s == pytest.approx(6, abs=0.002)
    assert not video.backward_s


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(starts_ms=st.lists(st.integers(0, 5000), min_size=1, max_size=4))
def test_times_go_forward_however_the_parts_lie(tmp_path: Path, starts_ms: list[int]) -> None:
    source = tmp_path / "one.mkv"
    if not source.exists():
        write_part(source, film(0.5, 0))

    joined = join([Placed(source, ms / 1000) for ms in starts_ms], tmp_path / "joined.mkv")

    found = scan(joined.path)
    extent_s = (max(starts_ms) - min(starts_ms)) / 1000 + 0.5
    assert joined.start_s == min(starts_ms) / 1000
    assert joined.duration_s == pytest.approx(extent_s, abs=0.04)
    assert found.end_s == pytest.approx(extent_s, abs=0.04)
    for stream in found.streams.values():
        assert not stream.backward_s
    assert found.streams[Kind.VIDEO].packets == 15 * len(starts_ms)


def test_another_codec_is_refused(tmp_path: Path) -> None:
    parts = [
        part(tmp_path / "a.mkv", film(0.5, 0), 0),
        part(tmp_path / "a.2.mkv", film(0.5, 1, VideoEncoder(Codec.VP8)), 1),
    ]

    with pytest.raises(MixedCodecsError, match="video is h264 and vp8: it has to stay in parts"):
        join(parts, tmp_path / "joined.mkv")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.2.mkv", "a.mkv"]


def test_a_container_that_lacks_the_codec_is_refused(tmp_path: Path) -> None:
    placed = part(tmp_path / "a.mkv", film(0.5, 0), 0)

    with pytest.raises(UnsupportedError, match="webm can't carry h264; mkv can"):
        join([placed], tmp_path / "joined.webm", container="webm")


def test_a_part_without_media_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"")

    with pytest.raises(UnreadableError, match="can't be read as media"):
        join([Placed(tmp_path / "a.mkv", 0)], tmp_path / "joined.mkv")


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    placed = part(tmp_path / "a.mkv", film(4, 0), 0)
    before = placed.path.read_bytes()

    with largest_file(50_000), pytest.raises(WriteError) as caught:
        join([placed], tmp_path / "a.mkv")

    assert caught.value.disk_full
    assert placed.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_nothing_is_what_can_be_salvaged_from_no_media(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(100))

    found = salvage(tmp_path / "a.mkv")

    assert found.packets == 0
    assert found.damage
    assert salvage(tmp_path / "none.mkv").damage == "No such file or directory"


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_what_is_before_a_tear_can_be_salvaged(tmp_path: Path, share: float) -> None:
    placed = part(tmp_path / "a.mkv", film(6, 0), 0)
    content = placed.path.read_bytes()
    placed.path.write_bytes(content[: int(len(content) * share)])

    assert salvage(placed.path).end_s == pytest.approx(6 * share, abs=1.1)
