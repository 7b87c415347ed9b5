//! A change as an operator writes it.

use crate::domain::version::ApiVersion;

/// How version `to` differs from version `from`, written old to new.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name, unique within an API.
    pub name: String,
    /// The older version.
    pub from: ApiVersion,
    /// The newer version.
    pub to: ApiVersion,
    /// One sentence for people.
    pub summary: Option<String>,
}
