"""The network's parameters as plain values, parsed from the exact bytes of a params file.

The params hash covers those bytes, the rulebook's text and, through the hashes the file lists, region sets and
baselines. Daemons read the file; this module only turns its text into checked integers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from protocol import airtime
from protocol.encoding import sha256
from protocol.limits import CLOSING_EPOCHS, MAX_SLOTS_PER_EPOCH, MIN_SLOT_SPREAD_MS

TOKEN = 10**18
"""Base units in a token."""
FRAME_BYTES = 24
"""A beacon on air."""


class ParameterError(ValueError):
    """A params file that this release cannot read; the message names the key and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The epoch's clock (protocol.md §2, §4, §5), milliseconds."""

    length_ms: int
    seed_lead_ms: int
    guard_ms: int
    commit_window_ms: int
    reveal_after_ms: int
    close_after_ms: int
    challenge_window_ms: int
    slot_tolerance_ms: int
    finality_ms: int

    @property
    def seal_after_ms(self) -> int:
        """D/4 after the end validators seal; reports are taken until then."""
        return self.close_after_ms // 4


@dataclass(frozen=True, slots=True)
class Slots:
    """Slots per epoch by kind."""

    fixed: int
    mapper: int


@dataclass(frozen=True, slots=True)
class Positions:
    """Largest centre-to-vertex distance of an H3 cell by resolution, metres."""

    radius_m: dict[int, int]


@dataclass(frozen=True, slots=True)
class Reach:
    """Distances a link of one medium may span, metres, before the ends' radii."""

    max_distance_m: int
    min_distance_m: int


@dataclass(frozen=True, slots=True)
class Rules:
    """Numbers of the rulebook (protocol.md §6)."""

    mapper_speed_m_s: int
    frequency_tolerance_hz: int
    power_below_cdb: int
    power_above_cdb: int
    free_space_margin_cdb: int
    snr_margin_cdb: int
    rssi_below_noise_cdb: int
    rssi_above_noise_cdb: int
    noise_125khz_cdb: int
    witnesses_per_beacon: int
    lora: Reach
    wifi: Reach


@dataclass(frozen=True, slots=True)
class Plan:
    """What a slot may draw: the lists of one region, or of Wi-Fi."""

    channels_hz: tuple[int, ...]
    bandwidth_hz: int
    spreading_factors: tuple[int, ...]
    eirps_cdb: tuple[int, ...]
    max_eirp_cdb: int
    name: str = ""
    max_dwell_ms: int = 0


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file the params name by hash."""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Radio:
    """Channel plans and where each region lies."""

    wifi: Plan
    regions: tuple[Plan, ...]
    cells: ListedFile


@dataclass(frozen=True, slots=True)
class SignalRange:
    """The signals between which need goes from 0 to 1, 0.01 dBm."""

    good_cdb: int
    dead_cdb: int


@dataclass(frozen=True, slots=True)
class NeedRules:
    """Constants of rewards.md 1-5."""

    prior_u: int
    shrink_votes_u: int
    contributor_votes_u: int
    contributed_half_life_days: int
    few_contributors: int
    few_contributors_votes_u: int
    band_u: int
    up_epochs: int
    down_epochs: int
    up_step_u: int
    down_step_u: int
    weight_floor_u: int
    weight_slope_u: int
    presence_u: int
    cellular: SignalRange
    wifi: SignalRange
    lora: SignalRange


@dataclass(frozen=True, slots=True)
class RewardRules:
    """Constants of rewards.md 6-10."""

    validators_u: int
    reserve_u: int
    cells_per_hotspot: int
    uptime_epochs: int
    established_epochs: int
    tier_epochs: int
    full_margin_cdb: int
    full_owners: int
    least_margin_u: int
    wifi_weak_cdb: int
    wifi_strong_cdb: int
    ranks_u: tuple[int, ...]
    min_site_distance_lora_m: int
    min_site_distance_wifi_m: int
    point_cap_divisor: int


@dataclass(frozen=True, slots=True)
class Emission:
    """E(e) = first >> (e / halving_epochs), base units; the contract holds the same numbers."""

    first: int
    halving_epochs: int

    def of(self, epoch: int) -> int:
        """Base units minted for one epoch."""
        return self.first >> (epoch // self.halving_epochs)


@dataclass(frozen=True, slots=True)
class Fees:
    """What registering and moving a hotspot burns, base units; the contract holds the same numbers."""

    registration: int
    location: int


@dataclass(frozen=True, slots=True)
class Genesis:
    """What exists before the first epoch: the first validators' stakes, and for how long they stay locked."""

    validator_stake: int
    lock_days: int


@dataclass(frozen=True, slots=True)
class Governance:
    """The holders' vote; threshold in base units of votes, quorum in hundredths of all tokens."""

    voting_delay_s: int
    voting_period_s: int
    timelock_delay_s: int
    proposal_threshold: int
    quorum_percent: int


@dataclass(frozen=True, slots=True)
class Validators:
    """How long a stake stays locked after its last epoch in the set."""

    unbonding_epochs: int


@dataclass(frozen=True, slots=True)
class Relay:
    """Registrations a validator pays for in one day, by who asks."""

    per_owner: int
    per_address: int
    per_day: int
    """For everybody together."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A listed baseline file (rewards.md 0, 1)."""

    name: str
    sha256: str
    radio_class: str
    source: int
    votes_u: int
    """Cap of its votes in a cell and level; 0 for a crowd-sourced file with contributors."""
    half_life_days: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything governance decides, as one checked value."""

    name: str
    epoch: Windows
    slots: Slots
    positions: Positions
    rules: Rules
    radio: Radio
    need: NeedRules
    rewards: RewardRules
    emission: Emission
    relay: Relay
    fees: Fees
    genesis: Genesis
    governance: Governance
    validators: Validators
    baselines: tuple[Baseline, ...] = ()

    def problems(self) -> list[str]:
        """Sentences on windows that do not fit each other; empty when the parameters can run."""
        windows = [sentence for sentence, wrong in _contradictions(self) if wrong]
        return windows + [sentence for plan in self.radio.regions for sentence in _plan_problems(plan)]


def dwell_problems(plan: Plan) -> list[str]:
    """Spreading factors whose 24-byte frame would break the plan's dwell limit; empty when all may be listed."""
    if not plan.max_dwell_ms:
        return []
    times_us = {
        factor: airtime.airtime_us(airtime.Modulation(factor, plan.bandwidth_hz), FRAME_BYTES)
        for factor in plan.spreading_factors
    }
    return [
        f"{plan.name}: SF{factor} takes {time_us} us for {FRAME_BYTES} bytes, over {plan.max_dwell_ms} ms"
        for factor, time_us in times_us.items()
        if time_us > plan.max_dwell_ms * 1_000
    ]


def _plan_problems(plan: Plan) -> list[str]:
    """What a slot could not draw from a LoRa plan."""
    if not (plan.channels_hz and plan.spreading_factors and plan.eirps_cdb):
        return [f"{plan.name}: a list of channels, spreading factors or powers is empty"]
    if not all(7 <= factor <= 12 for factor in plan.spreading_factors):
        return [f"{plan.name}: spreading factors go from 7 to 12"]
    return dwell_problems(plan)


def _contradictions(p: Parameters) -> list[tuple[str, bool]]:
    e = p.epoch
    playing_ms = e.length_ms - e.guard_ms
    most = max(p.slots.fixed, p.slots.mapper)
    return [
        (
            "close_after + finality + challenge_window must be shorter than the epoch",
            e.close_after_ms + e.finality_ms + e.challenge_window_ms >= e.length_ms,
        ),
        ("a slot's part of the epoch must be longer than 3 s", playing_ms // max(most, 1) <= MIN_SLOT_SPREAD_MS),
        (f"slots per epoch are at most {MAX_SLOTS_PER_EPOCH}", most > MAX_SLOTS_PER_EPOCH),
        ("reports must not be revealed before the commit window has passed", e.reveal_after_ms < e.commit_window_ms),
        (
            "the guard and D/4 must leave time to reveal the last slot",
            e.reveal_after_ms + e.slot_tolerance_ms >= e.guard_ms + e.seal_after_ms,
        ),
        ("the seed must be final before the epoch starts", e.seed_lead_ms <= e.finality_ms),
        (
            "reserve and validators' shares leave nothing for coverage",
            p.rewards.validators_u + p.rewards.reserve_u >= 1_000_000,
        ),
        (
            "positions need a radius for every resolution from 8 to 12",
            not set(range(8, 13)) <= set(p.positions.radius_m),
        ),
        ("two baselines must not have one source number", len({b.source for b in p.baselines}) < len(p.baselines)),
        ("emission must be positive", p.emission.first <= 0 or p.emission.halving_epochs <= 0),
        *_contract_contradictions(p),
    ]


def _contract_contradictions(p: Parameters) -> list[tuple[str, bool]]:
    """What the contracts would refuse to be deployed with."""
    stake, quorum = p.genesis.validator_stake, p.governance.quorum_percent
    numbers = (*_numbers(p.fees), *_numbers(p.genesis), *_numbers(p.governance))
    return [
        ("fees, genesis and governance must not be negative", min(numbers) < 0),
        ("fees must fit 128 bits", max(_numbers(p.fees)) >> 128 > 0),
        (
            "a stake must be a positive number of whole tokens that fits 40 bits",
            stake <= 0 or stake % TOKEN > 0 or stake // TOKEN >> 40 > 0,
        ),
        (
            "a vote must last, and its quorum must be 1 to 100 percent",
            p.governance.voting_period_s <= 0 or not 1 <= quorum <= 100,
        ),
        (
            f"a stake must stay locked for more than {CLOSING_EPOCHS} epochs",
            p.validators.unbonding_epochs <= CLOSING_EPOCHS,
        ),
    ]


def _numbers(section: Fees | Genesis | Governance) -> tuple[int, ...]:
    return tuple(getattr(section, f.name) for f in fields(section))


def params_hash(params_file: bytes, rulebook_text: str) -> bytes:
    """sha256("farfield/params" || sha256(file) || sha256(rulebook text)): what governance puts on chain."""
    return sha256(b"farfield/params", sha256(params_file), sha256(rulebook_text.encode("utf-8")))


def parse(params_file: bytes) -> Parameters:
    """The parameters in the bytes of a params file; ParameterError names the key that is missing, unknown or wrong."""
    try:
        tree = tomllib.loads(params_file.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ParameterError(f"not a TOML file: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ParameterError("not a TOML file: it holds a number with too many digits, or tables too deep") from error
    return _build(Parameters, tree, "")


T = TypeVar("T")


def _build(kind: type[T], tree: Any, path: str) -> T:
    if not isinstance(tree, Mapping):
        raise ParameterError(f"{path or 'file'}: expected a table")
    hints = get_type_hints(kind)
    names = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for unknown in sorted(set(tree) - set(names)):
        raise ParameterError(f"{path}{unknown}: unknown key")
    values = {}
    for name, spec in names.items():
        if name in tree:
            values[name] = _convert(hints[name], tree[name], f"{path}{name}")
        elif spec.default is MISSING:
            raise ParameterError(f"{path}{name}: missing")
    return kind(**values)


def _convert(hint: Any, value: Any, path: str) -> Any:
    if hint is str and isinstance(value, str):
        return value
    if hint is int:
        return _integer(value, path)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_convert(get_args(hint)[0], item, f"{path}[{at}]") for at, item in enumerate(value))
    if get_origin(hint) is dict and isinstance(value, Mapping):
        return {_integer(key, path): _integer(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(hint, type) and hint not in (str, int):
        return _build(hint, value, f"{path}.")
    raise ParameterError(f"{path}: expected {hint}, found {value!r}")


def _integer(value: Any, path: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdigit():
        return int(value)
    raise ParameterError(f"{path}: expected a whole number, found {value!r}")
