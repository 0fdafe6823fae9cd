//! What holds of every ring.
