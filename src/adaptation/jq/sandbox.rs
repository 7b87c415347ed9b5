//! Which jq programs are taken: those that end and see nothing but their input.

use super::{Compiled, metered::Metered, natives};
use jaq_core::{
    Compiler,
    data::JustLut,
    load::{
        self, Arena, File, Loader,
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    native::Fun,
    path::Part,
};

/// Why a text is not taken as a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It cannot be parsed or calls what does not exist.
    #[error("is no jq program, or calls a filter that does not exist")]
    Invalid,
    /// It calls what could run for ever, or look outside of its input.
    #[error("calls {0}, which could run for ever or look outside of its input")]
    Forbidden(String),
    /// It defines a filter that calls itself.
    #[error("defines {0}, which calls itself")]
    Recursive(String),
    /// It is longer than 64 KiB.
    #[error("is longer than 64 KiB")]
    TooLong,
}

/// Bytes a program may have.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Filters that may not be called: they run for ever, end the process, or read clock, environment,
/// other inputs and streams.
const FORBIDDEN: [&str; 25] = [
    "debug",
    "debug_empty",
    "env",
    "fromjson",
    "get_search_list",
    "gmtime",
    "halt",
    "halt_error",
    "input",
    "input_filename",
    "input_line_number",
    "inputs",
    "localtime",
    "now",
    "range",
    "recurse",
    "repeat",
    "stderr",
    "stderr_empty",
    "strflocaltime",
    "toboolean",
    "tonumber",
    "until",
    "while",
    "limit_rate",
];

/// Those of them that read texts, by a function that is not there.
const READERS: [&str; 3] = ["toboolean", "tonumber", "totype"];

/// Those of them that other filters of the language are made of, and use so that they end.
const BUILDING_BLOCKS: [&str; 6] = ["gmtime", "range", "recurse", "repeat", "until", "while"];

/// Compiles a program against the functions that are left.
pub(super) fn compile(text: &str) -> Result<Compiled, FilterError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(FilterError::TooLong);
    }
    let parsed = load::parse(text, |parser| parser.term()).ok_or(FilterError::Invalid)?;
    refuse(&parsed)?;
    let is_outside = |name: &str| FORBIDDEN.contains(&name) && !BUILDING_BLOCKS.contains(&name);
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let is_missing = |name: &str| is_outside(name) || READERS.contains(&name);
    let loader = Loader::new(definitions.filter(|definition| !is_missing(definition.name)));
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(natives::functions());
    let functions = functions.filter(|function: &Fun<JustLut<Metered>>| !is_outside(function.0));
    let arena = Arena::default();
    let modules = loader.load(&arena, File { code: text, path: () }).map_err(|_| FilterError::Invalid)?;
    Compiler::<_, JustLut<Metered>>::default().with_funs(functions).compile(modules).map_err(|_| FilterError::Invalid)
}

/// The definitions a term stands in, by name and number of arguments: to call one would be recursion.
type Within<'p> = Vec<(&'p str, usize)>;

/// Looks at every call of a program, without recursion.
fn refuse(program: &Term<&str>) -> Result<(), FilterError> {
    let mut left = vec![(program, Within::new())];
    while let Some((term, within)) = left.pop() {
        let mut also = |term| left.push((term, within.clone()));
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) => {}
            Term::Var(name) => {
                if *name == "$ENV" {
                    return Err(FilterError::Forbidden("$ENV".to_owned()));
                }
            }
            Term::Str(_, parts) => parts.iter().for_each(|part| {
                if let StrPart::Term(term) = part {
                    also(term);
                }
            }),
            Term::Arr(inner) => inner.iter().for_each(|inner| also(inner)),
            Term::Obj(members) => members.iter().for_each(|(key, value)| {
                also(key);
                value.iter().for_each(&mut also);
            }),
            Term::Neg(inner) | Term::Label(_, inner) => also(inner),
            Term::BinOp(one, op, other) => {
                if let BinaryOp::Pipe(Some(pattern)) = op {
                    keys_of(pattern).into_iter().for_each(&mut also);
                }
                also(one);
                also(other);
            }
            Term::Fold(_, source, pattern, terms) => {
                keys_of(pattern).into_iter().for_each(&mut also);
                also(source);
                terms.iter().for_each(also);
            }
            Term::TryCatch(inner, catch) => {
                also(inner);
                catch.iter().for_each(|catch| also(catch));
            }
            Term::IfThenElse(branches, other) => {
                branches.iter().for_each(|(condition, then)| {
                    also(condition);
                    also(then);
                });
                other.iter().for_each(|other| also(other));
            }
            Term::Path(inner, path) => {
                also(inner);
                for (part, _) in &path.0 {
                    match part {
                        Part::Index(index) => also(index),
                        Part::Range(from, to) => from.iter().chain(to).for_each(&mut also),
                    }
                }
            }
            Term::Def(definitions, rest) => {
                also(rest);
                for Def { name, args, body } in definitions {
                    let mut within = within.clone();
                    within.push((name, args.len()));
                    left.push((body, within));
                }
            }
            Term::Call(name, arguments) => {
                if FORBIDDEN.contains(name) {
                    return Err(FilterError::Forbidden((*name).to_owned()));
                }
                if within.contains(&(*name, arguments.len())) {
                    return Err(FilterError::Recursive((*name).to_owned()));
                }
                arguments.iter().for_each(also);
            }
        }
    }
    Ok(())
}

/// The terms in the keys of a pattern.
fn keys_of<'p, 's>(pattern: &'p Pattern<&'s str>) -> Vec<&'p Term<&'s str>> {
    let (mut left, mut keys) = (vec![pattern], Vec::new());
    while let Some(pattern) = left.pop() {
        match pattern {
            Pattern::Var(_) => {}
            Pattern::Arr(items) => left.extend(items),
            Pattern::Obj(members) => members.iter().for_each(|(key, inner)| {
                keys.push(key);
                left.push(inner);
            }),
        }
    }
    keys
}
