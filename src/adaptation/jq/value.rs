//! Subtrees as jaq's values and back, without recursion.

use std::sync::Arc;

use jaq_core::ValT as _;
use jaq_json::{Map, Num, Val};

use super::Failure;
use crate::adaptation::{literal::quote_bytes, scalar};

/// Containers inside each other that a result may have; a body may not have more either.
const DEPTH_MAX: usize = 128;

/// A container being read, with the name its next member gets.
enum Open {
    Array(Vec<Val>),
    Object(Map, Option<Val>),
}

/// Reads a valid JSON text.
pub(super) fn read(text: &[u8]) -> Result<Val, Failure> {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let mut value = match byte {
            b' ' | b'\n' | b'\t' | b'\r' | b',' | b':' => {
                at += 1;
                continue;
            }
            b'[' | b'{' => {
                open.push(if byte == b'[' { Open::Array(Vec::new()) } else { Open::Object(Map::default(), None) });
                at += 1;
                continue;
            }
            b']' | b'}' => {
                at += 1;
                match open.pop() {
                    Some(Open::Array(items)) => Val::Arr(Arc::new(items)),
                    Some(Open::Object(members, _)) => Val::Obj(Arc::new(members)),
                    None => return Err(Failure::Filter),
                }
            }
            b'"' => {
                let end = string_end(text, at);
                let said = scalar::unquote(text.get(at..end).unwrap_or_default()).ok_or(Failure::Filter)?;
                at = end;
                Val::utf8_str(said.into_owned())
            }
            _ => {
                let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E');
                let size = text[at..].iter().position(|byte| !is_part(byte)).unwrap_or(text.len() - at);
                // Nothing that a valid text holds here; going on would never end.
                let word = std::str::from_utf8(&text[at..at + size]).ok().filter(|word| !word.is_empty());
                at += size;
                word_value(word.ok_or(Failure::Filter)?)?
            }
        };
        match open.last_mut() {
            None => return Ok(value),
            Some(Open::Array(items)) => items.push(value),
            Some(Open::Object(members, name)) => match name.take() {
                None => *name = Some(std::mem::take(&mut value)),
                Some(name) => {
                    if members.insert(name, value).is_some() {
                        return Err(Failure::Duplicate);
                    }
                }
            },
        }
    }
    Err(Failure::Filter)
}

fn word_value(word: &str) -> Result<Val, Failure> {
    Ok(match word {
        "null" => Val::Null,
        "true" => Val::Bool(true),
        "false" => Val::Bool(false),
        // jaq's integers have no sign of zero.
        "-0" => Val::Num(Num::Dec(Arc::new(word.to_owned()))),
        number => Val::from_num(number).map_err(|_| Failure::Filter)?,
    })
}

/// Behind the last quote of the string that begins at `at`.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    loop {
        match text.get(end) {
            Some(b'\\') => end += 2,
            Some(b'"') => return end + 1,
            Some(_) => end += 1,
            None => return text.len(),
        }
    }
}

/// What is still to be written.
enum Left<'v> {
    Value(&'v Val, usize),
    Text(&'static [u8]),
    Name(&'v Val),
}

/// Writes a value as JSON text; none if it is no JSON value, too deep, or longer than `bytes_max`.
pub(super) fn write(value: &Val, bytes_max: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut left = vec![Left::Value(value, 0)];
    while let Some(next) = left.pop() {
        if out.len() > bytes_max {
            return None;
        }
        match next {
            Left::Text(text) => out.extend_from_slice(text),
            Left::Name(Val::TStr(name)) => {
                out.append(&mut quote_bytes(name));
                out.push(b':');
            }
            Left::Name(_) => return None,
            Left::Value(_, DEPTH_MAX..) => return None,
            Left::Value(value, depth) => match value {
                Val::Null => out.extend_from_slice(b"null"),
                Val::Bool(true) => out.extend_from_slice(b"true"),
                Val::Bool(false) => out.extend_from_slice(b"false"),
                Val::Num(number) => out.extend_from_slice(spelled(number)?.as_bytes()),
                Val::TStr(text) => out.append(&mut quote_bytes(text)),
                Val::BStr(_) => return None,
                Val::Arr(items) => {
                    out.push(b'[');
                    left.push(Left::Text(b"]"));
                    for (index, item) in items.iter().enumerate().rev() {
                        left.push(Left::Value(item, depth + 1));
                        if index > 0 {
                            left.push(Left::Text(b","));
                        }
                    }
                }
                Val::Obj(members) => {
                    out.push(b'{');
                    left.push(Left::Text(b"}"));
                    for (index, (name, value)) in members.iter().enumerate().rev() {
                        left.push(Left::Value(value, depth + 1));
                        left.push(Left::Name(name));
                        if index > 0 {
                            left.push(Left::Text(b","));
                        }
                    }
                }
            },
        }
    }
    (out.len() <= bytes_max).then_some(out)
}

/// A number that was not computed keeps its spelling; what jq calls infinite or nan is no number.
fn spelled(number: &Num) -> Option<String> {
    match number {
        Num::Int(number) => Some(number.to_string()),
        Num::BigInt(number) => Some(number.to_string()),
        Num::Dec(text) => Some(text.to_string()),
        Num::Float(number) if !number.is_finite() => None,
        // As jq writes them: 4 / 2 is 2.
        Num::Float(number) if number.fract() == 0.0 && number.abs() < 1e17 => Some(format!("{number:.0}")),
        Num::Float(number) => serde_json::to_string(number).ok(),
    }
}
