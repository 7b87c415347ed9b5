//! The functions that jaq's values bring with them, for values that are metered.

use std::sync::OnceLock;

use jaq_core::{
    Compiler, Ctx, RunPtr, Vars,
    data::JustLut,
    load::{Arena, File, Loader},
    native::{Filter, Fun, bome, run, unary, v},
    unwrap_valr,
};
use jaq_json::Val;

use super::{meter, metered::Metered};

/// Functions of the input alone, and of one argument.
const WITHOUT: [&str; 2] = ["length", "tojson"];
const WITH_ONE: [&str; 4] = ["contains", "has", "indices", "bsearch"];

type Plain = jaq_core::Filter<JustLut<Val>>;
type Kind = JustLut<Metered>;

/// Those of jaq's functions on its own values that a program may call.
pub(super) fn functions() -> impl Iterator<Item = Fun<Kind>> {
    let functions: [Filter<RunPtr<Kind>>; 6] = [
        ("length", v(0), |cv| bome(plain("length", cv.1, None))),
        ("tojson", v(0), |cv| bome(plain("tojson", cv.1, None))),
        ("contains", v(1), |cv| unary(cv, |value, other| plain("contains", value, Some(other)))),
        ("has", v(1), |cv| unary(cv, |value, other| plain("has", value, Some(other)))),
        ("indices", v(1), |cv| unary(cv, |value, other| plain("indices", value, Some(other)))),
        ("bsearch", v(1), |cv| unary(cv, |value, other| plain("bsearch", value, Some(other)))),
    ];
    functions.into_iter().map(run::<Kind>)
}

/// Calls the function of this name on plain values.
fn plain(name: &str, value: Metered, argument: Option<Metered>) -> jaq_core::ValR<Metered> {
    let none = || jaq_core::Error::new(Metered::of(Val::Null));
    let (_, filter) = table().iter().find(|(known, _)| *known == name).ok_or_else(none)?;
    meter::pay(0).map_err(|_| none())?;
    let vars = Vars::new([argument.map_or(Val::Null, |argument| argument.value)]);
    let mut results = filter.id.run((Ctx::<JustLut<Val>>::new(&filter.lut, vars), value.value)).map(unwrap_valr);
    Metered::took(results.next().ok_or_else(none)?)
}

/// Each function as a program of its own, with its argument as `$x`.
fn table() -> &'static [(&'static str, Plain)] {
    static TABLE: OnceLock<Vec<(&'static str, Plain)>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let without = WITHOUT.into_iter().map(|name| (name, name.to_owned()));
        let with_one = WITH_ONE.into_iter().map(|name| (name, format!("{name}($x)")));
        without.chain(with_one).filter_map(|(name, text)| Some((name, compile(&text)?))).collect()
    })
}

fn compile(text: &str) -> Option<Plain> {
    let arena = Arena::default();
    let modules = Loader::new([]).load(&arena, File { code: text, path: () }).ok()?;
    let compiler = Compiler::<_, JustLut<Val>>::default().with_funs(jaq_json::funs()).with_global_vars(["$x"]);
    compiler.compile(modules).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_there() {
        let known: Vec<&str> = table().iter().map(|(name, _)| *name).collect();
        assert_eq!(known, [&WITHOUT[..], &WITH_ONE].concat());
    }
}
