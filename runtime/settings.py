"""What the environment decides, read once and checked."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from runtime.errors import HomeNotWritable, SettingsError


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("give a URL such as http://orders.internal:8001")
    return value.rstrip("/")


def _url(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if not (scheme and separator and rest):
        raise ValueError("give a URL with a scheme, such as sqlite:////data/read.db")
    return value


def _named_urls(value: object) -> object:
    if not isinstance(value, str):
        return value
    named = [it.partition("=") for it in value.split()]
    if not all(name and equals for name, equals, _ in named):
        raise ValueError("write it like payment=sqlite:////data/payment.db, with spaces between")
    return {name: url for name, _, url in named}


def _absolute(value: Path) -> Path:
    return value.expanduser().resolve()


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Url = Annotated[str, AfterValidator(_url)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """The project's own variables; each field is the variable of the same name in capitals.

    Where Temporal is (TEMPORAL_*) is not here: the SDK reads that, see `runtime.connection`. Only a
    worker's version is, under the names that Temporal's worker controller gives it.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_ignore_empty=True,
        str_strip_whitespace=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    saga_home: Annotated[Path, AfterValidator(_absolute)] = Field(
        default=Path(".saga"), validate_default=True
    )
    """Folder of the embedded default: databases, logs, locks; absolute once read."""

    read_database_url: Url = Field(
        default_factory=lambda data: f"sqlite:///{data['saga_home']}/read.db"
    )

    order_service_url: HttpUrl | None = None
    """None: the embedded service, as for the three others."""
    payment_service_url: HttpUrl | None = None
    inventory_service_url: HttpUrl | None = None
    shipping_service_url: HttpUrl | None = None

    order_database_url: Url | None = None
    """What the audit reads, as for the three others; None: the embedded service's own."""
    payment_database_url: Url | None = None
    inventory_database_url: Url | None = None
    shipping_database_url: Url | None = None

    event_broker_url: Url | None = None
    """None: integration events are not published."""
    event_inbox_urls: Annotated[dict[str, Url], NoDecode, BeforeValidator(_named_urls)] = Field(
        default_factory=dict
    )
    """Where the consumers have their inboxes, `NAME=URL` each, between spaces; for the audit."""

    saga_payload_codec: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] | None = None
    """`module:name` of the Temporal PayloadCodec that encrypts what the history holds."""
    saga_task_queue: Annotated[str, Field(min_length=1, max_length=200)] = "sagas"
    saga_lane: Literal["stepwise", "express"] = "stepwise"
    """How the sagas that are started here call their steps, where their type allows it."""
    saga_temporal_port: PortNumber = 7233
    saga_ui_port: PortNumber = 8233
    temporal_deployment_name: str | None = None
    """With the build id, the version that a worker runs as; None for a worker without versions."""
    temporal_worker_build_id: str | None = None
    saga_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    saga_log_format: Literal["text", "json"] = "text"

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment; raises SettingsError naming each bad variable."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(_one_line(error)) from error

    @property
    def worker_version(self) -> tuple[str, str] | None:
        """A worker's deployment name and build id; raises SettingsError for one alone."""
        name, build = self.temporal_deployment_name, self.temporal_worker_build_id
        if name is None and build is None:
            return None
        if name is None or build is None:
            raise SettingsError(
                "TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID: set both, or neither"
            )
        return name, build

    @property
    def service_urls(self) -> dict[str, str | None]:
        """The participants' base URLs by name; None where the embedded service stands in."""
        return {
            "order": self.order_service_url,
            "payment": self.payment_service_url,
            "inventory": self.inventory_service_url,
            "shipping": self.shipping_service_url,
        }

    @property
    def service_database_urls(self) -> dict[str, str | None]:
        """The participants' own databases by name; None where a service elsewhere names none."""
        given = {
            "order": self.order_database_url,
            "payment": self.payment_database_url,
            "inventory": self.inventory_database_url,
            "shipping": self.shipping_database_url,
        }
        # As `services.server.database_url` has it.
        embedded = {name for name, url in self.service_urls.items() if url is None}
        return {
            name: url or (f"sqlite:///{self.saga_home}/{name}.db" if name in embedded else None)
            for name, url in given.items()
        }


def prepare_home(settings: Settings) -> Path:
    """Create SAGA_HOME, readable by its owner only; raises HomeNotWritable."""
    home = settings.saga_home
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        # os.access is true for root on a read-only mount, so it is written for real.
        (probe := home / ".writable").touch(mode=0o600)
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise HomeNotWritable(
            f"SAGA_HOME {home} cannot be written ({error.strerror}):"
            " make it writable or set SAGA_HOME to a folder that is"
        ) from error
    return home


def _one_line(error: ValidationError) -> str:
    # The values stay out of the line: database and broker URLs hold passwords.
    problems = []
    for problem in error.errors(include_url=False, include_input=False):
        if problem["type"] == "default_factory_not_called":
            continue
        name = str(problem["loc"][0]).upper()
        problems.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(problems) + " (or unset it for the default)"
