"""Settings of one validator: a TOML file in its directory, then flags. An unknown key is an error."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

FILE_NAME = "validator.toml"


class ConfigError(ValueError):
    """The settings cannot be used; the message is a sentence with the next step."""


@dataclass(frozen=True, slots=True)
class Config:
    """Where a validator keeps its things and listens."""

    directory: Path
    network: str = "network.json"
    """The network's file or address."""
    key_file: Path = Path("validator.key")
    """The signing key as hexadecimal text, readable by its owner only; in the file, relative to the directory."""
    listen: str = "127.0.0.1:7400"
    files: Path | None = None
    """A directory with the params file, region file and baselines, in the file relative to the directory; peers are
    asked for what is not there."""

    @property
    def key_path(self) -> Path:
        return self.key_file if self.key_file.is_absolute() else self.directory / self.key_file


def load(directory: Path, **flags: Any) -> Config:
    """The settings of a directory; flags that are not None win. ConfigError says what cannot be used."""
    config = Config(directory=directory)
    path = directory / FILE_NAME
    if path.exists():
        config = replace(config, **_read(path))
    config = replace(config, **{name: value for name, value in flags.items() if value is not None})
    if config.files is not None and not config.files.is_dir():
        raise ConfigError(f"{config.files} is no directory. Name one with params, regions and baselines, or none.")
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
    known = [one.name for one in fields(Config) if one.name != "directory"]
    for name, value in tree.items():
        if name not in known:
            nearest = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {nearest[0]}?" if nearest else f" Known keys: {', '.join(known)}."
            raise ConfigError(f"{path}: unknown key {name}.{hint}")
        if not isinstance(value, str):
            raise ConfigError(f"{path}: {name} should be a text.")
    return {name: path.parent / value if name in ("key_file", "files") else value for name, value in tree.items()}
