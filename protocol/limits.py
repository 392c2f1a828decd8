"""Every hard bound of the protocol, in one place, with units. Configuration may lower a bound, never raise it."""

# --- one hotspot in one epoch (protocol.md §5.1)
MAX_COMMITS_PER_HOTSPOT = 2_048
MAX_REPORTS_PER_HOTSPOT = 1_024
MAX_SLOTS_PER_EPOCH = 64

# --- one message on the wire
MAX_MESSAGE_BYTES = 256 * 1024
MAX_BATCH_ENTRIES = 256
MAX_BLOB_CHUNK_BYTES = 128 * 1024

# --- one stored artefact
MAX_SEGMENT_BYTES = 256 * 1024 * 1024
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
MAX_SEGMENTS_PER_MANIFEST = 1_024
MAX_CELLS_PER_MANIFEST = 2_000_000
MAX_VALIDATORS = 64
MAX_BASELINE_ROWS = 500_000_000

# --- numbers that reach SQL: every decodable value and every product of them fits a signed 64-bit integer
MAX_COORDINATE_M = 7_000_000
MAX_FREQUENCY_HZ = 2**40 - 1
MAX_TIME_MS = 2**48 - 1
MAX_ALLOWED_DISTANCE_M = 20_000_000

# --- when evidence counts (protocol.md §5.3, §5.4)
COMMIT_EARLY_MS = 2_000
CLOSING_EPOCHS = 7
SERVED_EPOCHS = 90
"""How many epochs back validators keep and serve evidence (protocol.md §5.6)."""
MIN_SLOT_SPREAD_MS = 3_000

# --- positions (protocol.md §1)
MIN_REGISTERED_RESOLUTION = 9
MAX_REGISTERED_RESOLUTION = 12
MIN_MAPPER_RESOLUTION = 8
MAX_MAPPER_RESOLUTION = 11
POSITION_TOLERANCE_M = 1
