"""Everything an operator may set, with defaults, read from `USAGEDECK_…` variables, a file or the command line.

The reference page is generated from this module. Settings are read once, when the deck is opened; nothing else in the
product looks at the environment.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """All settings. Each may be given as `USAGEDECK_<NAME>`, for example `USAGEDECK_PORT=9000`."""

    model_config = SettingsConfigDict(env_prefix="USAGEDECK_", extra="forbid", frozen=True)

    # where things are
    data_dir: Path = Field(Path("usagedeck-data"), description="Folder of the embedded store and directory; made with mode 0700.")
    store: str = Field("", description="URL of the event store: `chdb:///path`. Empty: `store` inside the data folder.")
    directory: str = Field(
        "",
        description="URL of the directory: `sqlite:///path` or `postgresql://user@host/name`. Empty: `directory.sqlite` inside "
        "the data folder.",
    )

    # the server
    host: str = Field("127.0.0.1", description="Address to listen on. Only this machine can reach the default.")
    port: int = Field(8787, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Host names the server answers to, comma-separated, besides localhost and the address it listens on."
    )
    public_url: str = Field("", description="Address under which browsers reach the server, when it is behind a proxy.")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, comma-separated."
    )
    metrics_token: str = Field("", description="Bearer token that opens /metrics to others than this machine.")

    # collecting
    max_body_bytes: int = Field(32 * 2**20, ge=1024, description="Largest body of a batch, counted after decompression.")
    max_batch_events: int = Field(20_000, ge=1, description="Most events in one batch.")
    max_event_bytes: int = Field(64 * 1024, ge=256, description="Largest single event, without its headers and bodies.")
    max_text: int = Field(256, ge=16, description="Most characters of ids, names and other short texts.")
    max_long_text: int = Field(2048, ge=16, description="Most characters of paths, addresses, user agents and error messages.")
    max_attributes: int = Field(64, ge=0, description="Most attributes of an event.")
    max_groups: int = Field(64, ge=0, description="Most groups of an event.")
    max_exchange_bytes: int = Field(
        256 * 1024,
        ge=1024,
        description="Largest body of a request or response that is looked through and kept, unpacked; larger ones are left out.",
    )
    kept_body_bytes: int = Field(
        16 * 1024, ge=0, description="Bytes that are kept of such a body; the rest is cut off, after it was redacted."
    )
    max_future_seconds: int = Field(600, ge=0, description="How far an event's time may lie in the future.")
    queue_bytes: int = Field(
        64 * 2**20,
        ge=2**20,
        description="Bytes of events in memory, from the first byte of a body to the commit, before senders are told to wait.",
    )
    body_seconds: int = Field(300, ge=1, description="Longest time the body of a batch may take to arrive.")
    min_free_bytes: int = Field(2**30, ge=0, description="Free disk space below which events are refused; reads go on.")

    # the engine
    memory: int = Field(
        0,
        ge=0,
        description="Most memory the embedded store may use, in bytes; 0 is half of what the machine or its container has. "
        "Questions and downloads, as many as may run side by side, share three quarters of it equally.",
    )

    # questions
    query_seconds: int = Field(15, ge=1, description="Longest time one question may take.")
    query_memory: int = Field(
        1_500_000_000,
        ge=10_000_000,
        description="Most memory one question may use, in bytes; never more than its share of memory.",
    )
    answer_bytes: int = Field(
        32 * 2**20, ge=0, description="Memory for answers that are kept until events come that could change them."
    )
    query_rows: int = Field(2_000_000_000, ge=1000, description="Most rows one question may read.")
    query_parallel: int = Field(4, ge=1, le=64, description="Questions answered side by side.")
    export_parallel: int = Field(4, ge=1, le=64, description="CSV downloads served side by side.")
    live_tails: int = Field(16, ge=0, description="Live tails of one workspace's log at the same time.")
    export_seconds: int = Field(3600, ge=1, description="Longest time a CSV download may take.")

    delivery_days: int = Field(
        3,
        ge=1,
        le=31,
        description="Longest time between the first and the last attempt of a webhook delivery, in days. Attempts are joined to "
        "deliveries within it: choose it longer than your retries go on.",
    )

    reservation_seconds: int = Field(
        600,
        ge=1,
        le=86_400,
        description="How long credits stay reserved for a request whose event does not come. Choose it longer than your longest "
        "request and the time until its event is sent.",
    )

    # sign-in
    session_hours: int = Field(24 * 14, ge=1, description="How long a sign-in lasts.")
    sign_in_attempts: int = Field(
        10,
        ge=1,
        description="Failed sign-ins in five minutes before a pause, of a person from one address. Five times that from an "
        "address, ten times that of a person from everywhere.",
    )

    invitation_days: int = Field(7, ge=1, le=365, description="How long the link of an invitation may be used.")

    # sign-in through an identity provider (OpenID Connect)
    oidc_issuer: str = Field("", description="Issuer of the identity provider, as it calls itself. Empty: there is none.")
    oidc_client_id: str = Field("", validate_default=True, description="What the provider calls this server.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="The secret that goes with it; none for a public client.")
    oidc_scopes: str = Field("openid email profile", description="What the provider is asked for.")
    oidc_label: str = Field("Continue with single sign-on", min_length=1, max_length=60, description="What its button says.")
    oidc_domains: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Domains of e-mail addresses that may come from it, comma-separated; all when there are none."
    )
    oidc_trust_emails: bool = Field(
        default=False,
        description="Whether addresses of oidc_domains count as verified when the provider does not say whether they are. For "
        "providers that give out all of these addresses themselves: who could enter another's there is the other here.",
    )
    oidc_workspace: str = Field(
        "", description="Workspace that people join whom nobody here knows; without one they need an invitation."
    )
    oidc_role: Literal["viewer", "member", "admin"] = Field("member", description="What they are in it.")
    password_sign_in: bool = Field(
        default=True, description="Whether people may sign in by e-mail and password. Without, an identity provider is needed."
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        if value and not travels_safely(value):
            raise ValueError("it begins with https://, or with http:// on this machine")
        return value

    @field_validator("oidc_client_id")
    @classmethod
    def _client_id(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("oidc_issuer") and not value:
            raise ValueError("the provider of oidc_issuer needs one")
        return value

    @field_validator("oidc_trust_emails")
    @classmethod
    def _trust(cls, value: bool, info: ValidationInfo) -> bool:
        if value and not info.data.get("oidc_domains"):
            raise ValueError("name the domains in oidc_domains whose addresses the provider gives out")
        return value

    @field_validator("oidc_scopes")
    @classmethod
    def _scopes(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError("openid must be among them")
        return value

    @field_validator("password_sign_in")
    @classmethod
    def _some_way_in(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and not info.data.get("oidc_issuer"):
            raise ValueError("set oidc_issuer first, or nobody could sign in")
        return value

    @field_validator("allowed_hosts", "trusted_proxies", "oidc_domains", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def page_url(self) -> str:
        """Where browsers find the page, as far as settings tell; without a slash at its end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = "localhost" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - a comparison
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def store_url(self) -> str:
        return self.store or f"chdb://{(self.data_dir / 'store').resolve()}"

    @property
    def store_folder(self) -> Path:
        """Where the embedded store lies."""
        return Path(urlsplit(self.store_url).path)

    @property
    def directory_url(self) -> str:
        return self.directory or f"sqlite:///{(self.data_dir / 'directory.sqlite').resolve()}"

    @property
    def directory_file(self) -> Path | None:
        """Where the directory lies; None when it is PostgreSQL's."""
        url = urlsplit(self.directory_url)
        return Path(url.path.removeprefix("/")) if url.scheme.startswith("sqlite") else None

    @property
    def directory_shown(self) -> str:
        """The URL of the directory for people: without user and password, whatever form they have in it."""
        url = urlsplit(self.directory_url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"


def travels_safely(url: str) -> bool:
    """Whether nobody on the way can read or change what is said there: https, or this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and (parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback)
    except ValueError:
        return False
