//! What convert, scale and map make of scalars.

use vergate::adaptation::{literal::Literal, op::ScalarType};

use super::json::{Json, said};

/// A decimal number: sign, digits without zeros at either end, and the power of ten they are times.
struct Decimal {
    negative: bool,
    digits: String,
    power: i128,
}

/// RFC 8259 section 6, rule by rule.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

/// Reads the text of a JSON number.
fn decimal(text: &str) -> Option<Decimal> {
    if !is_number(text) {
        return None;
    }
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Nothing a body can hold makes up for more than this.
    let far = if exponent.starts_with('-') { i128::MIN / 4 } else { i128::MAX / 4 };
    let power = exponent.trim_start_matches('+').parse::<i128>().unwrap_or(far).clamp(i128::MIN / 4, i128::MAX / 4)
        - fraction.len() as i128;
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0').trim_end_matches('0').to_owned();
    let trailing = if digits.is_empty() { 0 } else { all.len() - all.trim_end_matches('0').len() };
    Some(Decimal { negative, digits, power: power + trailing as i128 })
}

/// In plain notation.
fn plain(number: &Decimal, whole_only: bool) -> Option<String> {
    let sign = if number.negative { "-" } else { "" };
    if number.digits.is_empty() {
        return Some(format!("{sign}0"));
    }
    if number.power.abs() > 3000 || (whole_only && number.power < 0) {
        return None;
    }
    let power = number.power as i64;
    let text = if power >= 0 {
        format!("{}{}", number.digits, "0".repeat(power as usize))
    } else {
        let places = power.unsigned_abs() as usize;
        let padded = format!("{:0>width$}", number.digits, width = places + 1);
        format!("{}.{}", &padded[..padded.len() - places], &padded[padded.len() - places..])
    };
    Some(format!("{sign}{text}"))
}

fn short(text: String) -> Option<String> {
    (text.chars().filter(char::is_ascii_digit).count() <= 1000).then_some(text)
}

pub fn scaled(text: &str, pow10: i32) -> Option<String> {
    let mut number = decimal(text)?;
    number.power += i128::from(pow10);
    short(plain(&number, false)?)
}

fn is_integer(text: &str) -> bool {
    decimal(text).is_some() && !text.contains(['.', 'e', 'E'])
}

pub fn converted(value: &Json, from: ScalarType, to: ScalarType) -> Option<Json> {
    use ScalarType::{Boolean, Integer, Number, String as Text};
    let written = value.scalar()?;
    let text = match from {
        Text => String::from_utf16(&said(value.string()?)).ok()?,
        Integer => Some(written.to_owned()).filter(|text| is_integer(text))?,
        Number => Some(written.to_owned()).filter(|text| decimal(text).is_some())?,
        Boolean => Some(written.to_owned()).filter(|text| text == "true" || text == "false")?,
    };
    let new = match (from, to) {
        (Boolean, Integer | Number) => if text == "true" { "1" } else { "0" }.to_owned(),
        (Integer | Number, Boolean) => match text.as_str() {
            "1" => "true",
            "0" => "false",
            _ => return None,
        }
        .to_owned(),
        (Number, Integer) if is_integer(&text) => text,
        (Number, Integer) => plain(&decimal(&text)?, true)?,
        (_, Text) => format!("\"{text}\""),
        (_, Integer) => Some(text).filter(|text| is_integer(text))?,
        (_, Number) => Some(text).filter(|text| decimal(text).is_some())?,
        (_, Boolean) => Some(text).filter(|text| text == "true" || text == "false")?,
    };
    short(new).map(Json::Scalar)
}

/// Whether a scalar and one an operator wrote are the same: strings by what they say.
pub fn equals(value: &Json, literal: &Literal) -> bool {
    let literal = Json::read(&literal.to_string());
    match (value.string(), literal.string()) {
        (Some(one), Some(other)) => said(one) == said(other),
        (None, None) => value.scalar().is_some() && value == &literal,
        _ => false,
    }
}
