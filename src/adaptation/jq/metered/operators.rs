//! Sums, products and the like, and what is made of plain values.

use std::{
    fmt,
    ops::{Add, Div, Mul, Neg, Rem, Sub},
};

use jaq_core::{ValR, val::Range};
use jaq_json::Val;
use jaq_std::ValT as _;

use super::{Error, MEMBER, Metered, PLACE, WEIGHT_MAX, spent, weight};
use crate::adaptation::jq::meter::{pay, spend_all};

impl Add for Metered {
    type Output = ValR<Self>;

    fn add(self, other: Self) -> ValR<Self> {
        let total = self.weight + other.weight;
        let copied = match &self.value {
            Val::BStr(_) | Val::TStr(_) | Val::Num(_) => total,
            _ => self.places() + other.weight.min(MEMBER * 2 * length(&other.value)),
        };
        if total > WEIGHT_MAX {
            return Err(spent(spend_all()));
        }
        pay(copied).map_err(spent)?;
        let sum = (self.value + other.value).map_err(|error| Error::new(Self::of(error.into_val())))?;
        // Members of both count twice until the value is weighed again.
        let total = if matches!(sum, Val::Arr(_)) { total } else { weight(&sum) };
        Self::made(sum, total)
    }
}

fn length(value: &Val) -> usize {
    match value {
        Val::Arr(items) => items.len(),
        Val::Obj(members) => members.len(),
        _ => 1,
    }
}

impl Mul for Metered {
    type Output = ValR<Self>;

    fn mul(self, other: Self) -> ValR<Self> {
        let repeated = |text: &Val, times: &Val| {
            let (Val::BStr(text) | Val::TStr(text), Some(about)) = (text, times.as_f64()) else { return None };
            // What does not fit is more than fits, or less than nothing.
            let times = if about > 0.0 { times.as_isize().unwrap_or(isize::MAX) } else { 0 };
            Some(text.len().saturating_mul(times.unsigned_abs()))
        };
        let size = repeated(&self.value, &other.value).or_else(|| repeated(&other.value, &self.value));
        // Merging copies objects inside, too.
        let size = size.unwrap_or(self.weight + other.weight);
        if size > WEIGHT_MAX {
            return Err(spent(spend_all()));
        }
        pay(size).map_err(spent)?;
        Self::took(self.value * other.value)
    }
}

impl Sub for Metered {
    type Output = ValR<Self>;

    fn sub(self, other: Self) -> ValR<Self> {
        pay(self.places() + PLACE * 4 * length(&other.value)).map_err(spent)?;
        Self::took(self.value - other.value)
    }
}

impl Div for Metered {
    type Output = ValR<Self>;

    fn div(self, other: Self) -> ValR<Self> {
        // At most a part for every byte.
        pay(self.weight.saturating_mul(2 * PLACE)).map_err(spent)?;
        Self::took(self.value / other.value)
    }
}

impl Rem for Metered {
    type Output = ValR<Self>;

    fn rem(self, other: Self) -> ValR<Self> {
        Self::took(self.value % other.value)
    }
}

impl Neg for Metered {
    type Output = ValR<Self>;

    fn neg(self) -> ValR<Self> {
        Self::took(-self.value)
    }
}

impl fmt::Display for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl From<bool> for Metered {
    fn from(value: bool) -> Self {
        Self::of(value.into())
    }
}

impl From<isize> for Metered {
    fn from(value: isize) -> Self {
        Self::of(value.into())
    }
}

impl From<usize> for Metered {
    fn from(value: usize) -> Self {
        Self::of(value.into())
    }
}

impl From<f64> for Metered {
    fn from(value: f64) -> Self {
        Self::of(value.into())
    }
}

impl From<String> for Metered {
    fn from(text: String) -> Self {
        Self::grown(text.into())
    }
}

impl From<Range<Self>> for Metered {
    fn from(range: Range<Self>) -> Self {
        Self::grown((range.start.map(|start| start.value)..range.end.map(|end| end.value)).into())
    }
}
