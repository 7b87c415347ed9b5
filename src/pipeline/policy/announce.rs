//! The header fields that tell callers of a version how long it will live (CONTRACT section 5).

use http::{
    HeaderMap, HeaderValue,
    header::{LINK, WARNING},
};

use super::reference;
use crate::{
    domain::{
        api::Version,
        lifecycle::{Phase, Standing, Status},
        version::ApiVersion,
    },
    headers,
};

/// What every response of one version carries, rendered when the snapshot is built.
#[derive(Clone, Debug, Default)]
pub struct Announcement {
    deprecation: Option<HeaderValue>,
    sunset: Option<HeaderValue>,
    /// The links that are the same for every path.
    links: Option<HeaderValue>,
    /// Whether a link to the successor joins them.
    links_successor: bool,
    warning: Option<HeaderValue>,
    deprecated: Option<HeaderValue>,
    sunset_date: Option<HeaderValue>,
    migration_guide: Option<HeaderValue>,
}

impl Announcement {
    /// Renders what is to be said about `version`, which stands at `standing`.
    ///
    /// - `successor`: the newest stable version, if there is one to move to.
    pub fn compile(version: &Version, standing: Standing, successor: Option<&ApiVersion>) -> Self {
        let life = &version.lifecycle;
        let is_deprecated = standing.status >= Status::Deprecated;
        if !is_deprecated && life.deprecation().is_none() || standing.status < Status::Beta {
            return Self::default();
        }
        let rules = &version.deprecation;
        let guide = version.migration_guide.as_deref().map(reference::guide);
        let is_warned = matches!(standing.phase, Some(Phase::Warning | Phase::Enforcement));
        let ends = life.sunset().is_some() || standing.status == Status::Sunset;
        let relations = [(rules.links.deprecation, "deprecation"), (rules.links.sunset && ends, "sunset")];
        let links = guide.as_deref().and_then(|guide| {
            let shown = relations.iter().filter(|(shown, _)| *shown);
            let links: Vec<_> = shown.map(|(_, relation)| format!("<{guide}>; rel=\"{relation}\"")).collect();
            (!links.is_empty()).then(|| visible(&links.join(", ")))
        });
        Self {
            deprecation: life.deprecation().map(headers::deprecation),
            sunset: life.sunset().map(headers::sunset),
            links,
            links_successor: rules.links.successor_version,
            warning: (rules.warning && is_warned).then(|| warning(version, successor)),
            deprecated: (rules.seed && is_deprecated).then_some(headers::TRUE),
            sunset_date: life.sunset().filter(|_| rules.seed).map(headers::day),
            migration_guide: guide.filter(|_| rules.seed).map(|guide| visible(&guide)),
        }
    }

    /// Whether nothing is to be said, as for every version without a deprecation date.
    pub fn is_empty(&self) -> bool {
        self.deprecation.is_none()
            && self.sunset.is_none()
            && self.links.is_none()
            && !self.links_successor
            && self.warning.is_none()
            && self.deprecated.is_none()
            && self.sunset_date.is_none()
            && self.migration_guide.is_none()
    }

    /// Whether [`Announcement::apply`] makes use of a successor's path.
    pub fn links_successor(&self) -> bool {
        self.links_successor
    }

    /// Adds all fields to a response.
    ///
    /// `Link` and `Warning` join those of the upstream; every other field takes the place of the
    /// upstream's.
    ///
    /// - `successor_path`: from [`super::SuccessorPath::path`], already percent-encoded.
    pub fn apply(&self, headers: &mut HeaderMap, successor_path: Option<&str>) {
        self.apply_brief(headers, successor_path);
        if let Some(value) = &self.warning {
            headers.append(WARNING, value.clone());
        }
        let seed = [
            (headers::X_API_DEPRECATED, &self.deprecated),
            (headers::X_API_SUNSET_DATE, &self.sunset_date),
            (headers::X_API_MIGRATION_GUIDE, &self.migration_guide),
        ];
        for (name, value) in seed {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
    }

    /// Adds `Deprecation`, `Sunset` and `Link` alone: what a redirect says.
    pub fn apply_brief(&self, headers: &mut HeaderMap, successor_path: Option<&str>) {
        if let Some(value) = &self.deprecation {
            headers.insert(headers::DEPRECATION, value.clone());
        }
        if let Some(value) = &self.sunset {
            headers.insert(headers::SUNSET, value.clone());
        }
        if let Some(value) = self.link(successor_path) {
            headers.append(LINK, value);
        }
    }

    /// The announcement of a version that its successor answers for: `Deprecation`, `Sunset` and
    /// `Link` stay.
    #[must_use]
    pub fn brief(self) -> Self {
        Self { warning: None, deprecated: None, sunset_date: None, migration_guide: None, ..self }
    }

    fn link(&self, successor_path: Option<&str>) -> Option<HeaderValue> {
        let Some(path) = successor_path.filter(|_| self.links_successor) else { return self.links.clone() };
        let links = self.links.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
        let separator: &[u8] = if links.is_empty() { b"" } else { b", " };
        let line = [links, separator, b"<", path.as_bytes(), b">; rel=\"successor-version\""].concat();
        // The path is percent-encoded; a value that could not be sent would say nothing.
        HeaderValue::from_maybe_shared(bytes::Bytes::from(line)).ok().or_else(|| self.links.clone())
    }
}

/// RFC 7234 section 5.5, with the miscellaneous persistent code 299.
fn warning(version: &Version, successor: Option<&ApiVersion>) -> HeaderValue {
    let mut text = format!("299 - \"Version {} is deprecated.", label(&version.name));
    if let Some(successor) = successor {
        text += &format!(" Please migrate to {}", label(successor));
        if let Some(sunset) = version.lifecycle.sunset() {
            text += &format!(" before {}", sunset.date());
        }
    }
    text.push('"');
    visible(&text)
}

/// `v2.1`; a date stands as it is, because nobody writes a `v` before one.
pub(super) fn label(name: &ApiVersion) -> String {
    if name.is_date() { name.to_string() } else { format!("v{name}") }
}

fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("version names, dates and encoded guides are visible ASCII")
}
