//! Real-time: Earworm Tunes as the host calls it.
