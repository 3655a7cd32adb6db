//! Real-time: the built-in plucked voice.
