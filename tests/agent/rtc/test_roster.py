from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.media import Kind
from agent.room import (
    FrameStream,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    RoomEvent,
    Source,
    TrackInfo,
    TrackPublished,
    TrackSubscribed,
    TrackUnpublished,
    TrackUnsubscribed,
)
from agent.rtc.roster import Roster
from tests.doubles import ManualClock

UNHURRIED = settings(deadline=None)  # on a busy machine the time says nothing

ANN = Participant("ann", "PA_1")
CAMERA = TrackInfo("TR_1", Kind.VIDEO, Source.CAMERA)


class Track:
    """A track that knows only whether it was ended."""

    def __init__(self, participant: Participant = ANN, info: TrackInfo = CAMERA) -> None:
        self.participant = participant
        self.info = info
        self.ended = False

    def open(self, *, keep_bytes: int) -> FrameStream:
        raise NotImplementedError

    def end(self) -> None:
        self.ended = True


class Story:
    """A roster and what it told."""

    def __init__(self) -> None:
        self.events: list[RoomEvent] = []
        self.roster: Roster[Track] = Roster(ManualClock(), self.events.append)

    @property
    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


@pytest.fixture
def story() -> Story:
    return Story()


def test_what_is_told_twice_is_told_on_once(story: Story) -> None:
    for _ in range(2):
        story.roster.joined(ANN)
        story.roster.published(ANN, CAMERA)
        story.roster.muted("TR_1", muted=True)
    for _ in range(2):
        story.roster.unpublished("TR_1")
        story.roster.left("ann", "PA_1")

    assert story.names == [
        "ParticipantJoined",
        "TrackPublished",
        "TrackMuted",
        "TrackUnpublished",
        "ParticipantLeft",
    ]


def test_what_was_not_told_is_made_up_for(story: Story) -> None:
    track = Track()
    story.roster.subscribed(track)
    story.roster.left("ann")

    assert story.names == [
        "ParticipantJoined",
        "TrackPublished",
        "TrackSubscribed",
        "TrackUnsubscribed",
        "TrackUnpublished",
        "ParticipantLeft",
    ]
    assert track.ended


def test_a_second_subscription_ends_the_first(story: Story) -> None:
    first, second = Track(), Track()
    story.roster.subscribed(first)
    story.roster.subscribed(second)

    assert first.ended
    assert not second.ended
    assert story.names[-3:] == ["TrackSubscribed", "TrackUnsubscribed", "TrackSubscribed"]


def test_who_comes_back_with_another_sid_has_left_before(story: Story) -> None:
    track = Track()
    story.roster.subscribed(track)
    story.roster.joined(replace(ANN, sid="PA_2"))

    assert track.ended
    assert story.names[-2:] == ["ParticipantLeft", "ParticipantJoined"]


def test_the_late_news_that_a_former_self_left_is_ignored(story: Story) -> None:
    story.roster.joined(replace(ANN, sid="PA_2"))
    story.roster.left("ann", "PA_1")

    assert story.names == ["ParticipantJoined"]


def test_changes_reach_the_tracks_that_are_held(story: Story) -> None:
    track = Track()
    story.roster.subscribed(track)
    story.roster.changed(replace(ANN, name="Ann"))
    story.roster.muted("TR_1", muted=True)

    assert track.participant.name == "Ann"
    assert track.info.muted
    assert story.names[-2:] == ["ParticipantChanged", "TrackMuted"]


def test_news_of_strangers_is_ignored(story: Story) -> None:
    story.roster.changed(ANN)
    story.roster.left("ann")
    story.roster.unpublished("TR_1")
    story.roster.unsubscribed("TR_1")
    story.roster.failed("TR_1", "no codec")
    story.roster.muted("TR_1", muted=True)

    assert not story.events


def test_a_failed_subscription_names_the_track_and_why(story: Story) -> None:
    story.roster.published(ANN, CAMERA)
    story.roster.failed("TR_1", "no codec")

    assert story.names[-1] == "TrackFailed"


def test_the_end_of_the_connection_ends_tracks_without_a_word(story: Story) -> None:
    track = Track()
    story.roster.subscribed(track)
    told = len(story.events)
    story.roster.end()

    assert track.ended
    assert len(story.events) == told


sids = st.sampled_from(["TR_1", "TR_2"])
people = st.sampled_from([ANN, replace(ANN, sid="PA_2"), Participant("bob", "PA_3")])
Step = Callable[[Roster[Track]], None]
steps: st.SearchStrategy[Step] = st.one_of(
    people.map(lambda who: lambda roster: roster.joined(who)),
    people.map(lambda who: lambda roster: roster.left(who.identity, who.sid)),
    st.tuples(people, sids).map(
        lambda known: lambda roster: roster.published(known[0], replace(CAMERA, sid=known[1]))
    ),
    sids.map(lambda sid: lambda roster: roster.unpublished(sid)),
    st.tuples(people, sids).map(
        lambda known: (
            lambda roster: roster.subscribed(Track(known[0], replace(CAMERA, sid=known[1])))
        )
    ),
    sids.map(lambda sid: lambda roster: roster.unsubscribed(sid)),
    st.tuples(sids, st.booleans()).map(
        lambda known: lambda roster: roster.muted(known[0], muted=known[1])
    ),
)


@UNHURRIED
@given(st.lists(steps, max_size=30))
def test_the_story_is_consistent_whatever_is_told(told: list[Step]) -> None:
    story = Story()
    for step in told:
        step(story.roster)

    present: set[str] = set()
    offered: set[str] = set()
    subscribed: set[str] = set()
    for event in story.events:
        if isinstance(event, ParticipantJoined):
            assert event.participant.identity not in present
            present.add(event.participant.identity)
        elif isinstance(event, ParticipantLeft):
            present.remove(event.participant.identity)
        elif isinstance(event, TrackPublished):
            assert event.participant.identity in present
            assert event.track.sid not in offered
            offered.add(event.track.sid)
        elif isinstance(event, TrackUnpublished):
            assert event.track.sid not in subscribed
            offered.remove(event.track.sid)
        elif isinstance(event, TrackSubscribed):
            assert event.track.info.sid in offered - subscribed
            subscribed.add(event.track.info.sid)
        elif isinstance(event, TrackUnsubscribed):
            subscribed.remove(event.track.sid)
