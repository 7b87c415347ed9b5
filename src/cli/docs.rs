//! `vergate docs`: guides, changelogs and OpenAPI documents of older versions.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{DocsArgs, UNUSABLE, diff::document};
use crate::{
    adaptation::{change::Change, walk},
    clock,
    config::{
        Config, LoadError, checked,
        origins::{ApiOrigins, ChangeOrigins},
    },
    contract::{Document, directory::Directory},
    domain::{api::Api, version::ApiVersion},
    guide::{self, Journey},
    telemetry::say,
};

/// Prints or writes what is asked for.
///
/// - Exit code: 0 done, or everything is up to date; 1 with `--check` something is not, or the configuration has
///   errors; 2 unusable arguments or files.
pub fn run(args: &DocsArgs) -> ExitCode {
    match texts(args) {
        Ok(texts) => deliver(args, &texts).unwrap_or_else(|error| {
            say(format_args!("vergate docs: {error}"));
            ExitCode::from(UNUSABLE)
        }),
        Err((code, error)) => {
            say(format_args!("vergate docs: {error}"));
            ExitCode::from(code)
        }
    }
}

/// A text and the file it belongs into, below the folder of `--out`.
type Text = (String, String);

fn deliver(args: &DocsArgs, texts: &[Text]) -> Result<ExitCode, String> {
    if args.json {
        let all: serde_json::Map<String, serde_json::Value> =
            texts.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
        return Ok(print(&format!("{:#}\n", serde_json::Value::from(all))));
    }
    let Some(folder) = &args.out else {
        return Ok(print(&texts.iter().map(|(_, text)| text.as_str()).collect::<String>()));
    };
    let mut stale = 0;
    for (name, text) in texts {
        let path = folder.join(name);
        let known = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        if known.as_deref() == Some(text.as_bytes()) {
            continue;
        }
        stale += 1;
        if args.check {
            let what = if known.is_some() { "is not up to date" } else { "is missing" };
            println!("{} {what}; run `vergate docs --out {}`", path.display(), folder.display());
            continue;
        }
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| format!("cannot make {}: {error}", parent.display()))?;
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        println!("{}", path.display());
    }
    for path in left_over(folder, texts)? {
        stale += 1;
        let text = format!("{} belongs to nothing any more; delete it", path.display());
        if args.check { println!("{text}") } else { say(format_args!("vergate docs: {text}")) }
    }
    Ok(if args.check && stale > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Files in the folders of `texts` that bear names of such texts and are none of them: their versions or changes are
/// gone. A folder may hold other files, too.
fn left_over(folder: &Path, texts: &[Text]) -> Result<Vec<PathBuf>, String> {
    let current: BTreeSet<PathBuf> = texts.iter().map(|(name, _)| folder.join(name)).collect();
    let folders: BTreeSet<&Path> = current.iter().filter_map(|path| path.parent()).collect();
    let mut found = Vec::new();
    for folder in folders {
        let unreadable = |error: io::Error| format!("cannot read {}: {error}", folder.display());
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(error)),
        };
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            let is_ours = path.file_name().and_then(OsStr::to_str).is_some_and(is_name_of_a_text);
            if is_ours && !current.contains(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `1.0-to-2.0.md`, `openapi-1.0.json`.
fn is_name_of_a_text(name: &str) -> bool {
    let is_version = |text: &str| ApiVersion::parse(text).is_ok();
    let guide = name.strip_suffix(".md").and_then(|name| name.split_once("-to-"));
    let document = name.strip_prefix("openapi-").and_then(|name| name.strip_suffix(".json"));
    guide.is_some_and(|(from, to)| is_version(from) && is_version(to)) || document.is_some_and(is_version)
}

/// A reader that has left, such as `head`, is no failure.
fn print(text: &str) -> ExitCode {
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// One API with everything that is known of it.
struct Book<'c> {
    api: &'c Api,
    changes: &'c [Change],
    origins: &'c ApiOrigins,
    /// By the index of the version.
    documents: Vec<Option<Document>>,
}

fn texts(args: &DocsArgs) -> Result<Vec<Text>, (u8, String)> {
    let unusable = |error: String| (UNUSABLE, error);
    let outcome = checked::read_file(&args.config, clock::now()).map_err(|error| match error {
        LoadError::Unreadable(..) => unusable(error.to_string()),
        LoadError::Findings(_) => (1, error.to_string()),
    })?;
    let Some(config) = &outcome.config else {
        return Err((1, format!("\n{}", LoadError::Findings(outcome.findings))));
    };
    let chosen = apis(config, args).map_err(unusable)?;
    let mut texts = Vec::new();
    for index in chosen {
        let (api, origins) = (&config.apis[index], &outcome.origins[index]);
        let documents =
            origins.documents.iter().map(|named| named.as_ref().map(|named| document(&named.path)).transpose());
        let documents = documents.collect::<Result<_, _>>().map_err(unusable)?;
        let book = Book { api, changes: &config.changes[index], origins, documents };
        texts.extend(book.texts(args).map_err(unusable)?);
    }
    Ok(texts)
}

/// All of them for a folder, else one.
fn apis(config: &Config, args: &DocsArgs) -> Result<Vec<usize>, String> {
    let known = || config.apis.iter().map(|api| api.name.as_str()).collect::<Vec<_>>().join(", ");
    match &args.api {
        Some(name) => match config.apis.iter().position(|api| api.name == *name) {
            Some(index) => Ok(vec![index]),
            None => Err(format!("there is no API {name:?}; the file has {}", known())),
        },
        None if args.out.is_some() || config.apis.len() == 1 => Ok((0..config.apis.len()).collect()),
        None => Err(format!("the file has {}; name one with --api", known())),
    }
}

impl Book<'_> {
    fn texts(&self, args: &DocsArgs) -> Result<Vec<Text>, String> {
        if let Some(version) = &args.guide {
            let from = self.version(version)?;
            let to = args.to.as_ref().map_or(Ok(self.api.versions.len() - 1), |version| self.version(version))?;
            return Ok(vec![self.guide(from, to)?]);
        }
        if args.changelog {
            return Ok(vec![self.changelog()]);
        }
        if let Some(version) = &args.openapi {
            return Ok(vec![self.openapi(self.version(version)?)?]);
        }
        let mut texts = vec![self.changelog()];
        for from in 0..self.api.versions.len() {
            // What no chain leads to is no version to migrate to by changes.
            texts.extend((from + 1..self.api.versions.len()).filter_map(|to| self.guide(from, to).ok()));
            if self.documents[from].is_none() {
                texts.extend(self.openapi(from));
            }
        }
        Ok(texts)
    }

    fn version(&self, text: &str) -> Result<usize, String> {
        let wanted = ApiVersion::parse(text).map_err(|_| format!("{text:?} is no version; write 1.0 or 2"))?;
        self.api.versions.iter().position(|version| version.name == wanted).ok_or_else(|| {
            let known: Vec<_> = self.api.versions.iter().map(|version| version.name.to_string()).collect();
            format!("{} has no version {text}; it has {}", self.api.name, known.join(", "))
        })
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.api.name)
    }

    /// From the older version to the newer one.
    fn chain(&self, from: usize, to: usize) -> Result<Vec<(&Change, &ChangeOrigins)>, String> {
        let [from, to] = [from, to].map(|index| &self.api.versions[index].name);
        if from >= to {
            return Err(format!("{to} is not newer than {from}"));
        }
        let walk = walk::between(self.changes, from, to)
            .ok_or_else(|| format!("no chain of changes leads from {from} to {to}; add the missing change"))?;
        let origin = |change: &Change| {
            self.changes.iter().position(|known| known.name == change.name).and_then(|at| self.origins.changes.get(at))
        };
        Ok(walk.into_iter().filter_map(|(change, _)| Some((change, origin(change)?))).collect())
    }

    fn guide(&self, from: usize, to: usize) -> Result<Text, String> {
        let chain: Vec<&Change> = self.chain(from, to)?.into_iter().map(|(change, _)| change).collect();
        let documents = [self.documents[from].as_ref(), self.documents[to].as_ref()];
        let text = guide::migration(&Journey { api: self.api, from, to, chain: &chain, documents });
        let [from, to] = [from, to].map(|index| &self.api.versions[index].name);
        Ok((self.path(&format!("{from}-to-{to}.md")), text))
    }

    fn changelog(&self) -> Text {
        (self.path("changelog.md"), guide::changelog(self.api, self.changes))
    }

    /// Derived from the nearest newer version that names a document.
    fn openapi(&self, version: usize) -> Result<Text, String> {
        let name = &self.api.versions[version].name;
        let newer = (version + 1..self.api.versions.len())
            .find_map(|index| Some((index, self.documents[index].as_ref()?, self.chain(version, index).ok()?)));
        let Some((_, document, chain)) = newer else {
            return Err(format!(
                "no version that is newer than {name} and linked to it by changes names an OpenAPI document"
            ));
        };
        let directory = Directory::new(document, &self.api.path);
        let text = format!("{:#}\n", guide::older(&directory, &chain, name.as_str()));
        Ok((self.path(&format!("openapi-{name}.json")), text))
    }
}
