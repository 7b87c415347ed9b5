//! The account as a page for people.

use std::io::{self, Write};

use super::{
    account::Account,
    body::{BodyAccount, BodyStep},
};

/// How the page is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// Whether it may use colour.
    pub(super) colour: bool,
}

/// Terminal attributes.
#[derive(Clone, Copy)]
enum Ink {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
        }
    }
}

impl Page {
    /// Writes the whole page.
    pub(super) fn write(self, account: &Account, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", self.ink(Ink::Bold, &account.told.request))?;
        let steps = account.steps.iter().filter(|line| line.step != "refused");
        let steps: Vec<_> = steps.map(|line| (line.step.as_str(), line.found.clone())).collect();
        self.section(out, "How the version is found", &steps)?;
        self.verdict(account, out)?;
        let width = account.request_headers.keys().chain(account.response_headers.keys()).map(String::len).max();
        let width = width.unwrap_or_default() + 1;
        if account.upstream.is_some() {
            self.fields(out, "The upstream sees", width, &account.request_headers)?;
            if !account.told.removed.is_empty() {
                let removed = account.told.removed.join(", ");
                writeln!(out, "  {}", self.ink(Ink::Dim, &format!("without {removed}")))?;
            }
        }
        self.fields(out, "The answer gains", width, &account.response_headers)?;
        if !account.told.withheld.is_empty() {
            let withheld = account.told.withheld.join(", ");
            writeln!(out, "  {}", self.ink(Ink::Dim, &format!("without {withheld}")))?;
        }
        let [request, answer] = &account.told.bodies;
        let assumed = |which| account.assumed_json.contains(&which);
        if let Some(body) = request {
            let what = ("body", assumed("request"));
            self.body(what, body, &account.body_steps, ["as the client sends it", "sent on"], out)?;
        }
        if let Some(body) = answer {
            self.body(
                ("answer's body", assumed("response")),
                body,
                &account.response_steps,
                ["as the upstream sends it", "as the client gets it"],
                out,
            )?;
        }
        Ok(())
    }

    fn verdict(self, account: &Account, out: &mut impl Write) -> io::Result<()> {
        let told = &account.told;
        let mut lines: Vec<(&str, String)> = Vec::new();
        if let Some(api) = &account.api {
            lines.push(("api", api.clone()));
        }
        if let Some(version) = &account.version {
            let why = if told.why.is_empty() { String::new() } else { format!(", {}", told.why) };
            lines.push(("version", format!("{}{why}", self.ink(Ink::Bold, version))));
            let ink = match account.phase {
                None => Ink::Green,
                Some("sunset") => Ink::Red,
                Some(_) => Ink::Yellow,
            };
            lines.push(("status", self.ink(ink, &told.lifecycle)));
        }
        if let Some(endpoint) = &account.endpoint {
            let unlisted = if endpoint == "other" { " (no listed endpoint)" } else { "" };
            lines.push(("endpoint", format!("{endpoint}{unlisted}")));
        }
        if let Some(successor) = &told.served_by {
            lines.push(("answered by", format!("{successor}, as the version asked for is gone")));
        }
        for (index, link) in account.chain.iter().enumerate() {
            let summary = link.summary.as_deref().map(|text| format!("  {}", self.ink(Ink::Dim, text)));
            let label = if index == 0 { "changes" } else { "" };
            let summary = summary.unwrap_or_default();
            lines.push((label, format!("{} → {}  {}{summary}", link.from, link.to, link.change)));
        }
        if let (Some(upstream), Some(path), Some(speaks)) = (&account.upstream, &account.upstream_path, &account.speaks)
        {
            lines.push(("upstream", format!("{upstream}, which speaks {speaks}, at {}", told.servers.join(", "))));
            lines.push(("sent as", format!("{} {path}", told.upstream_method)));
        }
        if let Some(status) = account.status {
            let code = account.code.map(|code| format!(" {code}")).unwrap_or_default();
            let ink = if code.is_empty() { Ink::Yellow } else { Ink::Red };
            lines.push(("answer", self.ink(ink, &format!("{status}{code}"))));
        }
        if let Some(status) = account.response_status {
            lines.push(("answered with", status.to_string()));
        }
        if let Some(problem) = &told.refusal {
            lines.push(("because", problem.detail.clone()));
            for (name, value) in &problem.extensions {
                let text = value.as_str().map_or_else(|| listed(value), str::to_owned);
                lines.push((name, text));
            }
            // The pointer is of the shape the caller's version has.
            if let Some(place) = &told.op_pointer {
                let place = if place.is_empty() { "the whole body" } else { place };
                lines.push(("that is", format!("{place} when the op met it")));
            }
        }
        self.section(out, "What becomes of it", &lines)
    }

    /// - `assumed`: nothing was said of its type.
    /// - `ends`: what the first and the last text are.
    fn body(
        self,
        (what, assumed): (&str, bool),
        body: &BodyAccount,
        steps: &[BodyStep],
        ends: [&str; 2],
        out: &mut impl Write,
    ) -> io::Result<()> {
        let became = match (&body.text, body.adapted) {
            (None, _) => "refused",
            (Some(_), true) => "adapted",
            (Some(_), false) => "unchanged",
        };
        writeln!(out, "\n{}", self.ink(Ink::Bold, &format!("The {what}, {became}")))?;
        if assumed {
            let note = "taken as application/json; without a Content-Type it passes untouched, unless adaptation.untyped says otherwise";
            writeln!(out, "  {}", self.ink(Ink::Dim, note))?;
        }
        if became == "unchanged" {
            return self.lines(&body.before, "  ", out);
        }
        let steps = steps.iter().map(|step| (step.step.as_str(), &step.body));
        let last = body.text.as_ref().map(|text| (ends[1], text));
        for (label, text) in std::iter::once((ends[0], &body.before)).chain(steps).chain(last) {
            writeln!(out, "  {}", self.ink(Ink::Dim, label))?;
            self.lines(text, "    ", out)?;
        }
        Ok(())
    }

    /// A text of strangers, line by line.
    fn lines(self, text: &str, indent: &str, out: &mut impl Write) -> io::Result<()> {
        text.lines().try_for_each(|line| writeln!(out, "{indent}{}", self.ink(Ink::Plain, line)))
    }

    fn section(self, out: &mut impl Write, title: &str, lines: &[(&str, String)]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
        writeln!(out, "\n{}", self.ink(Ink::Bold, title))?;
        for (label, text) in lines {
            writeln!(out, "  {}  {text}", self.ink(Ink::Dim, &format!("{label:<width$}")))?;
        }
        Ok(())
    }

    fn fields(
        self,
        out: &mut impl Write,
        title: &str,
        width: usize,
        fields: &std::collections::BTreeMap<String, String>,
    ) -> io::Result<()> {
        if fields.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{}", self.ink(Ink::Bold, title))?;
        for (name, value) in fields {
            let name = format!("{name}:");
            writeln!(out, "  {} {value}", self.ink(Ink::Plain, &format!("{name:<width$}")))?;
        }
        Ok(())
    }

    fn ink(self, ink: Ink, text: &str) -> String {
        // What a client sends must not steer the terminal.
        let text: String = text.chars().filter(|character| !character.is_control()).collect();
        let code = ink.code();
        if self.colour && !code.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text }
    }
}

/// `1.0, 1.5` for a list of texts.
fn listed(value: &serde_json::Value) -> String {
    let Some(items) = value.as_array() else { return value.to_string() };
    let texts = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
    texts.collect::<Vec<_>>().join(", ")
}
