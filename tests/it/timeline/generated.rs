//! The generated estate with planted changes.
