//! What is known of a request whose head was refused.

use http::{Method, uri::PathAndQuery};

use super::link::RefusedHead;

/// The method as far as it could be read, else GET.
pub fn method(refused: &RefusedHead) -> Method {
    let method = refused.method.as_deref().and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    method.unwrap_or(Method::GET)
}

/// The path as far as it could be read.
pub fn target(refused: &RefusedHead) -> Option<PathAndQuery> {
    refused.path.as_deref().and_then(|path| PathAndQuery::try_from(path).ok())
}
