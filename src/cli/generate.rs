//! Interface: `earworm generate`.
