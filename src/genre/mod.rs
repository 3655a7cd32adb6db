//! Worker: the genre network and the ear around it.
