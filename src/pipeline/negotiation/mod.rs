//! Which API, which version and which endpoint a request means.
