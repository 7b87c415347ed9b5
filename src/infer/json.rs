//! An example document: members in order, numbers as written.

use serde::de::IgnoredAny;

/// A JSON value whose numbers keep their spelling.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Boolean(bool),
    /// The lexeme.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    /// Names occur once each.
    Object(Vec<(String, Json)>),
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

/// As many levels as the gateway adapts; recursion goes no deeper.
const DEPTH_MAX: usize = 128;

/// Why a text is no example.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON; with the place.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// Which of the two is meant cannot be known.
    #[error("the name {0:?} occurs twice in one object")]
    Twice(String),
}

impl Json {
    /// Reads a whole text.
    pub(crate) fn read(text: &str) -> Result<Self, JsonError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // The reader below relies on valid JSON; this one says where it is not.
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| JsonError::Syntax(error.to_string()))?;
        Reader { text, at: 0, depth: 0 }.value()
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Boolean(_) => Kind::Boolean,
            Self::Number(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
            Self::Array(_) => Kind::Array,
            Self::Object(_) => Kind::Object,
        }
    }

    pub(super) fn members(&self) -> Option<&[(String, Json)]> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.members()?.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether the values are the same: the order of members counts for nothing, the spelling of numbers does.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.distance(other) == 0
    }

    /// How many values there are.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.size()).sum::<usize>(),
            _ => 1,
        }
    }

    /// How far apart two values are; 0 for the same.
    pub(super) fn distance(&self, other: &Self) -> usize {
        match (self, other) {
            (Self::Null, Self::Null) => 0,
            (Self::Boolean(a), Self::Boolean(b)) => usize::from(a != b),
            (Self::Number(a), Self::Number(b)) => usize::from(a != b),
            (Self::Text(a), Self::Text(b)) => usize::from(a != b),
            (Self::Array(a), Self::Array(b)) if a.len() == b.len() => a.iter().zip(b).map(|(a, b)| a.distance(b)).sum(),
            (Self::Object(a), Self::Object(b)) => {
                let here = a.iter().map(|(name, value)| match other.get(name) {
                    Some(other) => value.distance(other),
                    None => value.size() + 1,
                });
                let there = b.iter().filter(|(name, _)| self.get(name).is_none()).map(|(_, value)| value.size() + 1);
                here.chain(there).sum()
            }
            _ => self.size() + other.size() + 1,
        }
    }

    /// Whether many unrelated values look like this one, so that finding it again proves little.
    pub(super) fn is_common(&self) -> bool {
        match self {
            Self::Null | Self::Boolean(_) => true,
            Self::Number(lexeme) => lexeme.trim_start_matches('-').len() == 1,
            Self::Text(text) => text.chars().count() <= 1,
            Self::Array(items) => items.iter().all(Self::is_common),
            Self::Object(members) => members.is_empty(),
        }
    }

    /// Minimal JSON.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(lexeme) => out.push_str(lexeme),
            Self::Text(text) => out.push_str(&serde_json::Value::from(text.as_str()).to_string()),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(&serde_json::Value::from(name.as_str()).to_string());
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// JSON for people: a member or element a line, two spaces a level.
    pub(crate) fn pretty(&self) -> String {
        let mut out = String::new();
        self.indent(0, &mut out);
        out
    }

    fn indent(&self, depth: usize, out: &mut String) {
        let (inner, outer) = ("  ".repeat(depth + 1), "  ".repeat(depth));
        match self {
            Self::Array(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    out.push_str(&format!("{}\n{inner}", if index == 0 { "[" } else { "," }));
                    item.indent(depth + 1, out);
                }
                out.push_str(&format!("\n{outer}]"));
            }
            Self::Object(members) if !members.is_empty() => {
                for (index, (name, value)) in members.iter().enumerate() {
                    let name = serde_json::Value::from(name.as_str());
                    out.push_str(&format!("{}\n{inner}{name}: ", if index == 0 { "{" } else { "," }));
                    value.indent(depth + 1, out);
                }
                out.push_str(&format!("\n{outer}}}"));
            }
            other => other.write(out),
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

/// Reads valid JSON.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Json, JsonError> {
        match self.peek() {
            b'{' => {
                let mut members: Vec<(String, Json)> = Vec::new();
                self.items(b'}', |reader| {
                    let name = reader.string()?;
                    reader.peek();
                    reader.at += 1;
                    let value = reader.value()?;
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(JsonError::Twice(name));
                    }
                    members.push((name, value));
                    Ok(())
                })?;
                Ok(Json::Object(members))
            }
            b'[' => {
                let mut items = Vec::new();
                self.items(b']', |reader| {
                    items.push(reader.value()?);
                    Ok(())
                })?;
                Ok(Json::Array(items))
            }
            b'"' => self.string().map(Json::Text),
            _ => {
                let rest = &self.text[self.at..];
                let end = rest.find(|c: char| c.is_ascii_whitespace() || ",]}".contains(c)).unwrap_or(rest.len());
                self.at += end;
                Ok(match &rest[..end] {
                    "null" => Json::Null,
                    "true" => Json::Boolean(true),
                    "false" => Json::Boolean(false),
                    lexeme => Json::Number(lexeme.to_owned()),
                })
            }
        }
    }

    /// The next byte that is no whitespace; the reader stands at it.
    fn peek(&mut self) -> u8 {
        let bytes = &self.text.as_bytes()[self.at..];
        let skipped = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
        self.at += skipped;
        bytes.get(skipped).copied().unwrap_or_default()
    }

    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(JsonError::Syntax(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.at += 1;
        while self.peek() != end {
            if self.peek() == b',' {
                self.at += 1;
                self.peek();
            }
            item(self)?;
        }
        self.depth -= 1;
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.peek();
        let rest = &self.text[self.at..];
        let mut escaped = true;
        let end = rest.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            // The opening quote counts as escaped.
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let literal = &rest[..end.map_or(rest.len(), |end| end + 1)];
        self.at += literal.len();
        serde_json::from_str(literal).map_err(|error| JsonError::Syntax(format!("{literal}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json {
        Json::read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_is_read_is_written_again() {
        for text in [
            r#"{"b":1.50,"a":[1E5,-0,12345678901234567890123],"c":{},"d":[]}"#,
            r#"["\"",{"a\\":null},true,false,"é\n"]"#,
            "0",
            r#""""#,
        ] {
            assert_eq!(read(text).text(), text);
        }
        assert_eq!(read(" { \"\\u0061\" : [ 1 , 2 ] }\n").text(), r#"{"a":[1,2]}"#);
    }

    #[test]
    fn pretty_text_is_the_same_value() {
        let text = r#"{"a":[1.50,{}],"b":{"c":[]}}"#;
        let pretty = "{\n  \"a\": [\n    1.50,\n    {}\n  ],\n  \"b\": {\n    \"c\": []\n  }\n}";
        assert_eq!(read(text).pretty(), pretty);
        assert_eq!(read(pretty).text(), text);
    }

    #[test]
    fn what_is_no_example_is_refused_with_its_place() {
        for (text, words) in
            [("{", "line 1 column 1"), ("[1,]", "line 1"), ("", "EOF"), (r#"{"a":1,"\u0061":2}"#, "\"a\" occurs twice")]
        {
            let error = Json::read(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(Json::read(r#""\ud83d""#).is_err(), "a lone surrogate is no text");
        assert!(Json::read(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_err());
    }

    #[test]
    fn the_order_of_members_counts_for_nothing_and_the_spelling_of_numbers_does() {
        assert!(read(r#"{"a":1,"b":[{}]}"#).same(&read(r#"{"b":[{}],"a":1}"#)));
        for (a, b) in [("1", "1.0"), ("1", "\"1\""), ("[1,2]", "[2,1]"), ("{}", "[]"), ("null", r#"{"a":null}"#)] {
            assert!(!read(a).same(&read(b)), "{a} {b}");
        }
        assert!(!read(r#"{"a":null}"#).same(&read("{}")));
    }
}
