//! In which language a person reads. The hard thing is that no answer is no mistake: then it is English.

use crate::check::Language;

/// As the operating system says.
pub(in crate::cli) fn of_system() -> Language {
    sys_locale::get_locale().map_or(Language::En, |locale| of_locale(&locale))
}

/// `de_CH.UTF-8`, `de-AT`, `de`.
fn of_locale(locale: &str) -> Language {
    match locale.split(['_', '-', '.', '@']).next() {
        Some(language) if language.eq_ignore_ascii_case("de") => Language::De,
        Some(_) | None => Language::En,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn german_is_known_by_its_first_letters() {
        for locale in ["de", "de_CH.UTF-8", "de-AT", "DE_de@euro"] {
            assert_eq!(of_locale(locale), Language::De, "{locale}");
        }
        for locale in ["", "C", "POSIX", "en_US.UTF-8", "den_CA", "fr-CH"] {
            assert_eq!(of_locale(locale), Language::En, "{locale}");
        }
    }
}
