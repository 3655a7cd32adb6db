//! Worker: the tune network and the composer around it.
