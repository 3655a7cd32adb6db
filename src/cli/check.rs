//! Interface: `earworm check`.
