//! How an application is registered with a provider and let into mailboxes, step by step, with an account's own values. The
//! hard thing is that whoever follows a guide has never seen the provider's pages and cannot ask: so each step names the
//! page, what to choose there, and what to type, and nothing is left for later that a later step would miss.
//!
//! The texts are English. Commands and links are made by [`command`] alone.

pub mod command;
mod custom;
mod fastmail;
mod google;
mod microsoft;
mod outlook_com;
mod subject;
mod yahoo;

pub use self::subject::Subject;

/// A provider's guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guide {
    /// What one has in the end.
    pub title: String,
    /// In the order in which they are done.
    pub steps: Vec<Step>,
}

/// One step: on one page, or in one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub title: String,
    /// How.
    pub lines: Vec<Line>,
}

/// A piece of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Sentences.
    Text(String),
    /// A page.
    Link(String),
    /// What is to be entered or chosen under this name.
    Value(&'static str, String),
    /// To be typed into a shell; which one, the text before it says.
    Command(String),
    /// A line of the configuration.
    Setting(String),
}

impl Guide {
    /// The guide for this account, or for one with placeholders.
    pub fn of(subject: &Subject) -> Self {
        let title = if subject.app_only {
            format!(
                "{} without a person: the application itself signs in",
                subject.provider.title()
            )
        } else {
            format!("{} with a person who signs in", subject.provider.title())
        };
        let steps = match subject.provider.name() {
            "outlook.com" => outlook_com::steps(subject),
            "google" => google::steps(subject),
            "yahoo" | "aol" => yahoo::steps(subject),
            "fastmail" => fastmail::steps(subject),
            "custom" => custom::steps(subject),
            _ => microsoft::steps(subject),
        };
        Self { title, steps }
    }
}

impl Step {
    fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), lines: Vec::new() }
    }

    fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    fn text(self, text: impl Into<String>) -> Self {
        self.line(Line::Text(text.into()))
    }

    fn link(self, link: impl Into<String>) -> Self {
        self.line(Line::Link(link.into()))
    }

    fn value(self, name: &'static str, value: impl Into<String>) -> Self {
        self.line(Line::Value(name, value.into()))
    }

    fn command(self, command: impl Into<String>) -> Self {
        self.line(Line::Command(command.into()))
    }

    fn settings(mut self, settings: impl IntoIterator<Item = String>) -> Self {
        self.lines.extend(settings.into_iter().map(Line::Setting));
        self
    }
}

#[cfg(test)]
mod tests;
