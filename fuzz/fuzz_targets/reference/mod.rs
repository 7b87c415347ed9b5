//! What targets hold the gateway against.

/// Doubled slashes merged, then dot segments resolved (RFC 3986 section 5.2.4).
pub fn resolved(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut directory = true;
    for segment in path.split('/') {
        directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let end = if directory && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}
