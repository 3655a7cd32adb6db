//! Interface: `earworm convert`.
