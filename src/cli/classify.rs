//! Interface: `earworm classify`.
