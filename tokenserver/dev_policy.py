"""The policy of ``--dev`` when no file is given: guests as they come, and one bot with a key."""

from pydantic import ValidationError

from tokenserver.errors import ConfigurationError
from tokenserver.policy import CallerRule, IdentityRule, Policy, Role, RoomRule, Source

BOT_KEY_SHA256 = "ROOMCAST_DEV_BOT_KEY_SHA256"
"""Names the environment variable that holds the hash of the bot's API key."""


def dev_policy(server_url: str, bot_key_sha256: str | None) -> Policy:
    """Return the policy for one machine; without ``bot_key_sha256`` there are only guests.

    Whoever is on the machine may be a guest. The roles of a bot and of a host are for the
    holder of the key, as they are in production.
    """
    try:
        callers = [CallerRule(name="guests", anonymous=True, roles=("guest",))]
        if bot_key_sha256 is not None:
            callers.append(
                CallerRule(name="bot", api_key_sha256=bot_key_sha256, roles=("bot", "host"))
            )
        return Policy(
            version=1,
            server_url=server_url,
            callers=tuple(callers),
            identity=IdentityRule(),
            rooms=RoomRule(allow=("*",), pattern=r"^[A-Za-z0-9:_.-]{1,128}$"),
            roles={
                "guest": Role(publish=tuple(Source), subscribe=True, data=True),
                "host": Role(publish="all", subscribe=True, data=True),
                "bot": Role(
                    publish="all",
                    subscribe=True,
                    data=True,
                    recorder=True,
                    update_own_metadata=True,
                    settable=("name", "metadata"),
                    ttl=3600,
                ),
            },
        )
    except ValidationError as error:
        wrong = {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
        variable = BOT_KEY_SHA256 if "api_key_sha256" in wrong else "LIVEKIT_URL"
        needed = "64 lower-case hex digits" if variable == BOT_KEY_SHA256 else "a ws:// address"
        msg = f"{variable} must be {needed}"
        raise ConfigurationError(msg) from None
