//! Core: the front end of live and file audio: STFT frames and mel bands.
