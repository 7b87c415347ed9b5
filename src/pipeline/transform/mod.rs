//! The HTTP rules around an adapted body (ADAPTATION section 6).
