//! Values that pay for their memory: jaq's own, with a weight.
//!
//! jaq bounds nothing, and what a program makes can depend on the caller: `"x" * .n`, or a sum that doubles for every
//! element. So every value that is made pays for what it takes, and its weight is bounded: that of the tree it is,
//! though parts of it be shared, for whoever compares or prints it walks the tree.
//!
//! The parts know no weight of their own: a value that is taken out of another is weighed, so that collecting long
//! lists inside an object (`.[$k] += [$x]`) takes time in the square of their length.

mod operators;

use std::sync::Arc;

use jaq_core::{
    Exn, ValR, ValT, ValX,
    path::Opt,
    val::{Range, ValRs},
};
use jaq_json::{Num, Val};

use super::meter::{Spent, pay, spend_all};

/// Bytes a value may weigh.
pub(super) const WEIGHT_MAX: usize = 1024 * 1024;
/// Bytes a number may weigh: what follows takes time in the square of it.
const NUMBER_WEIGHT_MAX: usize = 64 * 1024;

/// A value itself, or a place for one.
const PLACE: usize = 16;
/// A member of an object, beside name and value.
const MEMBER: usize = 32;

/// A value and its weight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Metered {
    pub(super) value: Val,
    weight: usize,
}

type Error = jaq_core::Error<Metered>;

impl Metered {
    /// Weighs a value.
    pub(super) fn of(value: Val) -> Self {
        let weight = weight(&value);
        Self { value, weight }
    }

    /// A value that was made just now, if it is not too heavy.
    fn made(value: Val, weight: usize) -> Result<Self, Error> {
        let limit = if matches!(value, Val::Num(_)) { NUMBER_WEIGHT_MAX } else { WEIGHT_MAX };
        if weight > limit { Err(spent(spend_all())) } else { Ok(Self { value, weight }) }
    }

    /// What came out of jaq.
    pub(super) fn took(result: ValR<Val>) -> Result<Self, Error> {
        let value = result.map_err(|error| Error::new(Self::of(error.into_val())))?;
        let weight = weight(&value);
        pay(weight).map_err(spent)?;
        Self::made(value, weight)
    }

    /// What copying the places of a container costs: nothing where nobody else has it.
    fn places(&self) -> usize {
        match &self.value {
            Val::Arr(items) if Arc::strong_count(items) > 1 => PLACE * items.len(),
            Val::Obj(members) if Arc::strong_count(members) > 1 => MEMBER * members.len(),
            _ => 0,
        }
    }
}

fn spent(Spent: Spent) -> Error {
    Error::new(Metered { value: Val::Null, weight: PLACE })
}

/// Weighs without recursion: values can be deeper than a stack.
fn weight(value: &Val) -> usize {
    let (mut total, mut left, mut next) = (0usize, Vec::new(), Some(value));
    while let Some(value) = next {
        total = total.saturating_add(PLACE).saturating_add(match value {
            Val::Null | Val::Bool(_) => 0,
            Val::Num(Num::BigInt(number)) => usize::try_from(number.bits() / 8).unwrap_or(usize::MAX),
            Val::Num(Num::Dec(text)) => text.len(),
            Val::Num(_) => 0,
            Val::BStr(text) | Val::TStr(text) => text.len(),
            Val::Arr(items) => {
                left.extend(items.iter());
                PLACE
            }
            Val::Obj(members) => {
                left.extend(members.iter().flat_map(|(name, value)| [name, value]));
                PLACE + MEMBER * members.len()
            }
        });
        next = left.pop();
    }
    total
}

impl ValT for Metered {
    fn from_num(text: &str) -> ValR<Self> {
        Self::took(Val::from_num(text))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> ValR<Self> {
        let (mut map, mut total) = (jaq_json::Map::default(), 2 * PLACE);
        for (name, value) in members {
            pay(MEMBER).map_err(spent)?;
            total += MEMBER + name.weight + value.weight;
            map.insert(name.value, value.value);
        }
        Self::made(Val::obj(map), total)
    }

    fn key_values(self) -> ValRs<'static, (Self, Self), Self> {
        if let Err(error) = pay(self.places()) {
            return Box::new(std::iter::once(Err(spent(error))));
        }
        Box::new(self.value.key_values().map(|pair| {
            pay(0).map_err(spent)?;
            let (name, value) = pair.map_err(|error| Error::new(Self::of(error.into_val())))?;
            Ok((Self::of(name), Self::of(value)))
        }))
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        if let Err(error) = pay(self.places()) {
            return Box::new(std::iter::once(Err(spent(error))));
        }
        Box::new(self.value.values().map(|value| {
            pay(0).map_err(spent)?;
            value.map(Self::of).map_err(|error| Error::new(Self::of(error.into_val())))
        }))
    }

    fn index(self, index: &Self) -> ValR<Self> {
        pay(0).map_err(spent)?;
        // Shared with the container, but for the places where an array is found in another.
        let value = self.value.index(&index.value).map_err(|error| Error::new(Self::of(error.into_val())))?;
        Ok(Self::of(value))
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        Self::took(self.value.range(inner(&range)))
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        pay(self.places()).map_err(spent)?;
        match self.value {
            Val::Arr(items) => Arc::unwrap_or_clone(items).into_iter().map(Self::of).flat_map(f).collect(),
            Val::Obj(members) => {
                let each = |(name, value)| f(Self::of(value)).next().map(|value| Ok((Self::of(name), value?)));
                let members = Arc::unwrap_or_clone(members).into_iter().filter_map(each);
                Ok(Self::from_map(members.collect::<Result<Vec<_>, Exn<'a, Self>>>()?)?)
            }
            value => opt.fail(Self::of(value), |value| Exn::from(Error::typ(value, "iterable (array or object)"))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        if let (Val::BStr(_) | Val::TStr(_) | Val::Arr(_), Val::Obj(bounds)) = (&self.value, &index.value) {
            let bound = |name| bounds.get(&Val::utf8_str(name)).cloned().map(Self::of);
            let (start, end) = (bound("start"), bound("end"));
            return self.map_range(start.as_ref()..end.as_ref(), opt, f);
        }
        pay(self.places()).map_err(spent)?;
        let total = self.weight;
        match self.value {
            Val::Obj(mut members) => {
                let map = Arc::make_mut(&mut members);
                // Taken out, so that nobody shares it while it is edited.
                let old = map.get_mut(&index.value).map(std::mem::take);
                let was = old.as_ref().map(weight);
                let new = f(Self::of(old.unwrap_or_default())).next().transpose()?;
                let gone = was.map_or(0, |was| was + MEMBER + index.weight);
                let come = new.as_ref().map_or(0, |new| new.weight + MEMBER + index.weight);
                match new {
                    Some(new) => drop(map.insert(index.value.clone(), new.value)),
                    None => drop(map.swap_remove(&index.value)),
                }
                pay(MEMBER).map_err(spent)?;
                Ok(Self::made(Val::Obj(members), total.saturating_sub(gone) + come)?)
            }
            Val::Arr(mut items) => {
                let from_end = |at: isize| items.len().checked_sub(at.unsigned_abs());
                let at = jaq_std::ValT::as_isize(&index.value);
                let at = at.and_then(|at| if at < 0 { from_end(at) } else { usize::try_from(at).ok() });
                let Some(at) = at.filter(|at| *at < items.len()) else {
                    let value = Self { value: Val::Arr(items), weight: total };
                    return opt.fail(value, |_| Exn::from(Error::str(format!("index {index} out of bounds"))));
                };
                let list = Arc::make_mut(&mut items);
                let old = Self::of(std::mem::take(&mut list[at]));
                let was = old.weight;
                match f(old).next().transpose()? {
                    Some(new) => {
                        let come = new.weight;
                        list[at] = new.value;
                        Ok(Self::made(Val::Arr(items), total.saturating_sub(was) + come)?)
                    }
                    None => {
                        list.remove(at);
                        Ok(Self::made(Val::Arr(items), total.saturating_sub(was))?)
                    }
                }
            }
            value => opt.fail(Self::of(value), |value| Exn::from(Error::typ(value, "iterable (array or object)"))),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let part = match Self::took(self.value.clone().range(inner(&range))) {
            Ok(part) => part,
            Err(error) => return opt.fail(self, |_| Exn::from(error)),
        };
        let new = f(part).next().transpose()?;
        let spliced: jaq_json::ValX<'static> =
            self.value.map_range(inner(&range), opt, |_| new.clone().map(|new| Ok(new.value)).into_iter());
        let fault = |exn: Exn<'_, Val>| exn.get_err().unwrap_or_else(|_| jaq_core::Error::new(Val::Null));
        Ok(Self::took(spliced.map_err(fault))?)
    }

    fn as_bool(&self) -> bool {
        self.value.as_bool()
    }

    fn into_string(self) -> Self {
        match self.value {
            Val::BStr(_) | Val::TStr(_) => Self::of(self.value.into_string()),
            value => match pay(self.weight) {
                Ok(()) => Self::grown(value.into_string()),
                Err(Spent) => Self::of(Val::utf8_str("")),
            },
        }
    }
}

fn inner<'v>(range: &Range<&'v Metered>) -> Range<&'v Val> {
    range.start.map(|start| &start.value)..range.end.map(|end| &end.value)
}

impl Metered {
    /// For makers that cannot fail: what is too heavy ends the run.
    pub(super) fn grown(value: Val) -> Self {
        Self::took(Ok(value)).unwrap_or(Self { value: Val::Null, weight: PLACE })
    }
}

impl jaq_std::ValT for Metered {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        if pay(self.places()).is_err() {
            return Err(self);
        }
        match self.value {
            Val::Arr(items) => Ok(Arc::unwrap_or_clone(items).into_iter().map(Self::of).collect()),
            _ => Err(self),
        }
    }

    fn is_int(&self) -> bool {
        jaq_std::ValT::is_int(&self.value)
    }

    fn as_isize(&self) -> Option<isize> {
        jaq_std::ValT::as_isize(&self.value)
    }

    fn as_f64(&self) -> Option<f64> {
        jaq_std::ValT::as_f64(&self.value)
    }

    fn is_utf8_str(&self) -> bool {
        self.value.is_utf8_str()
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        self.value.as_bytes()
    }

    fn as_sub_str(&self, sub: &[u8]) -> Self {
        Self::of(self.value.as_sub_str(sub))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::grown(Val::from_utf8_bytes(bytes))
    }
}

/// Stops taking where nothing is left.
impl FromIterator<Self> for Metered {
    fn from_iter<T: IntoIterator<Item = Self>>(items: T) -> Self {
        let (mut list, mut total) = (Vec::new(), 2 * PLACE);
        for item in items {
            total += item.weight;
            if total > WEIGHT_MAX {
                spend_all();
            }
            if pay(PLACE).is_err() {
                break;
            }
            list.push(item.value);
        }
        Self { value: Val::Arr(Arc::new(list)), weight: total }
    }
}
