//! Real-time: Earworm Meter as the host calls it.
