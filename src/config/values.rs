//! The layers of one account: its own table, `[defaults]`, the preset, the built-in defaults. The hard
//! thing is that each value keeps its source, so that a mistake names the line where it was written
//! and `config show` the layer it came from.

use std::path::PathBuf;

use toml::Spanned;
use url::Url;

use super::{
    account::unfit_name,
    mistake::SourceFile,
    oauth_config::ClientSecretMethod,
    preset::{DEFAULT_GRANT, Preset, TenantRule},
    resolve::{At, Context},
    show::{Row, Source, list, quoted},
    text::{AccountText, ClientSecretMethodText, GrantText, MechanismText, ProviderText, Written},
};
use crate::{proto::BearerMechanism, tls};

/// One written table and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) offset: usize,
    pub(super) text: &'a AccountText,
    /// `account` or `defaults`.
    pub(super) table: &'static str,
}

impl<'a> Layer<'a> {
    /// The table itself, for a key that is missing in it.
    pub(super) fn at(&self, key: &str) -> At<'a> {
        At::new(self.file, self.offset, format!("{}.{key}", self.table))
    }
}

/// Whether `[defaults]` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inherit {
    /// Only from the account's own table.
    Never,
    /// Whatever the provider.
    Always,
    /// Only where the account's provider is the defaults' provider.
    WithProvider,
    /// Only where the account's token endpoint is the one that `[defaults]` names: for what is sent
    /// there to prove who asks. Another tenant is the same endpoint, since the provider is the same.
    WithEndpoint,
    /// Only where, beyond that, the account's application is that of `[defaults]`: for what proves who the
    /// application is. One without a `client_id` beside it is meant for every application.
    WithApplication,
}

/// The four layers of one account, and the rows of what was taken from where.
pub(super) struct Values<'a, 'c> {
    pub(super) own: Layer<'a>,
    defaults: Layer<'a>,
    pub(super) preset: &'static Preset,
    same_provider: bool,
    same_endpoint: bool,
    same_application: bool,
    pub(super) rows: Vec<Row>,
    pub(super) cx: &'c mut Context,
}

impl<'a, 'c> Values<'a, 'c> {
    pub(super) fn new(own: &Layer<'a>, defaults: &Layer<'a>, cx: &'c mut Context) -> Option<Self> {
        let mine = own.text.provider.as_ref().map(|it| *it.get_ref());
        let theirs = defaults.text.provider.as_ref().map(|it| *it.get_ref());
        let Some(provider) = mine.or(theirs) else {
            return cx.mistake(&own.at("provider"), PROVIDER_MISSING);
        };
        let same_provider = theirs.is_none_or(|theirs| theirs == provider);
        let mut values = Self {
            own: *own,
            defaults: *defaults,
            preset: Preset::of(provider),
            same_provider,
            same_endpoint: same_provider
                && same_endpoint(own.text, defaults.text)
                && same_device_url(own.text, defaults.text, Preset::of(provider)),
            same_application: same_application(own.text, defaults.text),
            rows: Vec::new(),
            cx,
        };
        let source = values.written(|t| &t.provider, Inherit::Always).map(|(_, at)| at.source());
        let name = quoted(values.preset.name);
        values.rows.push(Row::new("provider", name, source.unwrap_or(Source::Default)));
        if values.preset.tenant == TenantRule::None
            && let Some(tenant) = &own.text.tenant
        {
            let at = At::new(own.file, tenant.span().start, "account.tenant");
            let instead = if provider == ProviderText::Custom {
                "a custom provider has token_url"
            } else {
                "take it out"
            };
            let text = format!(
                "belongs to Microsoft's providers; {} has none: {instead}",
                values.preset.name
            );
            return values.cx.mistake(&at, text);
        }
        Some(values)
    }

    /// The value from the uppermost layer that was written, with its place; the place's key lacks
    /// its last word.
    pub(super) fn written<T>(
        &self,
        field: impl Fn(&'a AccountText) -> &'a Written<T>,
        inherit: Inherit,
    ) -> Option<(&'a T, At<'a>)> {
        self.layers(inherit).into_iter().flatten().find_map(|layer| {
            let written: &'a Spanned<T> = field(layer.text).as_ref()?;
            let at = At::new(layer.file, written.span().start, format!("{}.", layer.table));
            Some((written.get_ref(), at))
        })
    }

    /// The written layers that count, the uppermost first.
    pub(super) fn layers(&self, inherit: Inherit) -> [Option<Layer<'a>>; 2] {
        let use_defaults = match inherit {
            Inherit::Never => false,
            Inherit::Always => true,
            Inherit::WithProvider => self.same_provider,
            Inherit::WithEndpoint => self.same_endpoint,
            Inherit::WithApplication => self.same_endpoint && self.same_application,
        };
        [Some(self.own), use_defaults.then_some(self.defaults)]
    }

    /// Whether `[defaults]` has this key, but for a token endpoint that is not the account's.
    pub(super) fn is_withheld<T: 'a>(
        &self,
        field: impl Fn(&'a AccountText) -> &'a Written<T>,
    ) -> bool {
        self.same_provider && !self.same_endpoint && field(self.defaults.text).is_some()
    }

    /// Whether `[defaults]` has this key, but for another application than the account's.
    pub(super) fn is_of_another_application<T: 'a>(
        &self,
        field: impl Fn(&'a AccountText) -> &'a Written<T>,
    ) -> bool {
        self.same_endpoint && !self.same_application && field(self.defaults.text).is_some()
    }

    /// A file, relative to the file in which it was written.
    pub(super) fn path(
        &mut self,
        key: &str,
        field: impl Fn(&'a AccountText) -> &'a Written<String>,
        inherit: Inherit,
    ) -> Option<(PathBuf, At<'a>)> {
        let (text, at) = self.written(field, inherit)?;
        let at = At { key: at.key + key, ..at };
        let path = at.file.resolve_path(text);
        self.rows.push(Row::new(key, quoted(&path.display().to_string()), at.source()));
        Some((path, at))
    }

    /// A text that may be missing.
    pub(super) fn optional(
        &mut self,
        key: &str,
        field: impl Fn(&'a AccountText) -> &'a Written<String>,
    ) -> Option<(String, At<'a>)> {
        self.text(key, field, Inherit::WithProvider)
    }

    pub(super) fn text(
        &mut self,
        key: &str,
        field: impl Fn(&'a AccountText) -> &'a Written<String>,
        inherit: Inherit,
    ) -> Option<(String, At<'a>)> {
        let (text, at) = self.written(field, inherit)?;
        let at = At { key: at.key + key, ..at };
        self.rows.push(Row::new(key, quoted(text), at.source()));
        Some((text.clone(), at))
    }

    /// A text that must be there; `missing` says how to put it right.
    pub(super) fn required(
        &mut self,
        key: &str,
        field: impl Fn(&'a AccountText) -> &'a Written<String>,
        preset: Option<String>,
        missing: &str,
    ) -> Option<(String, At<'a>)> {
        if let Some(found) = self.optional(key, field) {
            return Some(found);
        }
        let at = self.own.at(key);
        let Some(text) = preset else { return self.cx.mistake(&at, missing) };
        self.rows.push(Row::new(key, quoted(&text), Source::Preset(self.preset.name)));
        Some((text, at))
    }

    /// A file of certificates, relative to the file in which it was written.
    pub(super) fn ca_file(
        &mut self,
        key: &str,
        field: impl Fn(&'a AccountText) -> &'a Written<String>,
        inherit: Inherit,
    ) -> Option<Option<PathBuf>> {
        let Some((path, at)) = self.path(key, field, inherit) else { return Some(None) };
        let missing = || format!("the file {} is not there", path.display());
        self.cx.judge_file(&at, &path, missing, || tls::check_ca_file(&path))?;
        Some(Some(path))
    }

    pub(super) fn list(
        &mut self,
        key: &str,
        field: impl Fn(&'a AccountText) -> &'a Written<Vec<String>>,
        preset: Vec<String>,
    ) -> (Vec<String>, At<'a>) {
        let (values, source, at) = match self.written(field, Inherit::WithProvider) {
            Some((values, at)) => {
                let at = At { key: at.key + key, ..at };
                (values.clone(), at.source(), at)
            }
            None => (preset, Source::Preset(self.preset.name), self.own.at(key)),
        };
        self.rows.push(Row::new(key, list(&values), source));
        (values, at)
    }

    /// A number from 1 to `most`, with its source.
    pub(super) fn small(
        &mut self,
        key: &str,
        field: impl Fn(&'a AccountText) -> &'a Written<u64>,
        inherit: Inherit,
        default: (u16, Source),
        most: u16,
    ) -> Option<(u16, Source)> {
        let Some((&number, at)) = self.written(field, inherit) else {
            self.rows.push(Row::new(key, default.0.to_string(), default.1.clone()));
            return Some(default);
        };
        let at = At { key: at.key + key, ..at };
        self.rows.push(Row::new(key, number.to_string(), at.source()));
        match u16::try_from(number).ok().filter(|number| (1..=most).contains(number)) {
            Some(number) => Some((number, at.source())),
            None => self.cx.mistake(&at, format!("must lie between 1 and {most}")),
        }
    }

    pub(super) fn mailbox(&mut self, login: &str) -> Option<String> {
        let Some(written) = &self.own.text.mailbox else {
            self.rows.push(Row::new("mailbox", quoted(login), Source::Default));
            return Some(login.to_owned());
        };
        let at = At::new(self.own.file, written.span().start, "account.mailbox");
        self.rows.push(Row::new("mailbox", quoted(written.get_ref()), at.source()));
        match unfit_name(written.get_ref()) {
            Some(fault) => self.cx.mistake(&at, fault),
            None => Some(written.get_ref().clone()),
        }
    }

    /// The grant, with no row for it yet.
    pub(super) fn grant_text(&self) -> GrantText {
        self.written(|t| &t.grant, Inherit::WithProvider).map_or(DEFAULT_GRANT, |(grant, _)| *grant)
    }

    pub(super) fn grant(&mut self) -> GrantText {
        let grant = self.grant_text();
        let written = self.written(|t| &t.grant, Inherit::WithProvider);
        let source = written.map_or(Source::Default, |(_, at)| at.source());
        self.rows.push(Row::new("grant", quoted(grant.name()), source));
        grant
    }

    /// Of the preset, or of the one that has this token endpoint.
    pub(super) fn client_secret_method(&mut self, token_url: Option<&Url>) -> ClientSecretMethod {
        let (method, source) = match self
            .written(|t| &t.client_secret_method, Inherit::WithProvider)
        {
            Some((ClientSecretMethodText::Post, at)) => (ClientSecretMethod::Post, at.source()),
            Some((ClientSecretMethodText::Basic, at)) => (ClientSecretMethod::Basic, at.source()),
            None => match token_url.and_then(Preset::at) {
                Some(preset) => (preset.client_secret_method, Source::Preset(preset.name)),
                None => (ClientSecretMethod::Post, Source::Default),
            },
        };
        let word = match method {
            ClientSecretMethod::Post => "post",
            ClientSecretMethod::Basic => "basic",
        };
        self.rows.push(Row::new("client_secret_method", quoted(word), source));
        method
    }

    pub(super) fn mechanism(&mut self) -> Option<Option<BearerMechanism>> {
        let (mechanism, source) = match self.written(|t| &t.mechanism, Inherit::WithProvider) {
            Some((mechanism, at)) => (*mechanism, at.source()),
            None => match self.preset.mechanism {
                Some(mechanism) => (mechanism, Source::Preset(self.preset.name)),
                None => (MechanismText::Auto, Source::Default),
            },
        };
        let (mechanism, word) = match mechanism {
            MechanismText::Xoauth2 => (Some(BearerMechanism::XOAuth2), "xoauth2"),
            MechanismText::Oauthbearer => (Some(BearerMechanism::OAuthBearer), "oauthbearer"),
            MechanismText::Auto => (None, "auto"),
        };
        self.rows.push(Row::new("mechanism", quoted(word), source));
        Some(mechanism)
    }
}

/// Whether both mean the same token endpoint, where the provider is the same. `[defaults]` that name
/// neither a provider nor a URL mean none.
fn same_endpoint(own: &AccountText, defaults: &AccountText) -> bool {
    match (&own.token_url, &defaults.token_url) {
        (Some(own), Some(defaults)) => own.get_ref() == defaults.get_ref(),
        (None, Some(_)) => true,
        (Some(_), None) => false,
        (None, None) => defaults.provider.is_some(),
    }
}

/// Whether both mean the same application.
fn same_application(own: &AccountText, defaults: &AccountText) -> bool {
    match (&own.client_id, &defaults.client_id) {
        (Some(own), Some(defaults)) => own.get_ref() == defaults.get_ref(),
        _ => true,
    }
}

/// Whether what proves who asks may go to the account's device endpoint, too: to that of `[defaults]`, or
/// to the server that has the token endpoint.
fn same_device_url(own: &AccountText, defaults: &AccountText, preset: &Preset) -> bool {
    let text = |written: &Written<String>| written.as_ref().map(|it| it.get_ref().clone());
    let Some(mine) = text(&own.device_url) else { return true };
    let token_url = text(&own.token_url).or_else(|| text(&defaults.token_url));
    let token_url = token_url.or_else(|| preset.token_url.map(str::to_owned));
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    text(&defaults.device_url).as_ref() == Some(&mine)
        || token_url.is_some_and(|it| origin(&it).is_some() && origin(&it) == origin(&mine))
}

const PROVIDER_MISSING: &str = "is missing: write provider = \"microsoft365\", \"google\" or another one that \
    `saslgate provider list` names, or \"custom\" with mail servers (and, for OAuth, a token_url) of your own, \
    here or in [defaults]";

/// For one account at one server.
pub(super) const MAX_CONNECTION_LIMIT: u16 = 1000;
