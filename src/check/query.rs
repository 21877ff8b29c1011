//! What can be told of a query from its text alone: that it ends what it begins, has ranges that are lengths of time, and calls
//! functions that there are.
//!
//! It is no parser: a query that passes may still be refused by Cloud Monitoring. What it finds is wrong for certain.

use std::ops::Range;

/// The language of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Of Cloud Monitoring.
    PromQl,
    /// Of Cloud Logging.
    LogFilter,
}

/// What is wrong with a query, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: Range<usize>,
    pub(super) why: String,
}

/// The words that may stand before a parenthesis: functions, aggregations and operators of PromQL
/// (source: <https://prometheus.io/docs/prometheus/latest/querying/functions/> and `operators`).
const CALLED: &[&str] = &[
    "abs",
    "absent",
    "absent_over_time",
    "acos",
    "acosh",
    "and",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "avg_over_time",
    "bool",
    "bottomk",
    "by",
    "ceil",
    "changes",
    "clamp",
    "clamp_max",
    "clamp_min",
    "cos",
    "cosh",
    "count",
    "count_over_time",
    "count_values",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "deg",
    "delta",
    "deriv",
    "double_exponential_smoothing",
    "exp",
    "floor",
    "group",
    "group_left",
    "group_right",
    "histogram_avg",
    "histogram_count",
    "histogram_fraction",
    "histogram_quantile",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
    "holt_winters",
    "hour",
    "idelta",
    "ignoring",
    "increase",
    "info",
    "irate",
    "label_join",
    "label_replace",
    "last_over_time",
    "limit_ratio",
    "limitk",
    "ln",
    "log10",
    "log2",
    "mad_over_time",
    "max",
    "max_over_time",
    "min",
    "min_over_time",
    "minute",
    "month",
    "on",
    "or",
    "pi",
    "predict_linear",
    "present_over_time",
    "quantile",
    "quantile_over_time",
    "rad",
    "rate",
    "resets",
    "round",
    "scalar",
    "sgn",
    "sin",
    "sinh",
    "sort",
    "sort_by_label",
    "sort_by_label_desc",
    "sort_desc",
    "sqrt",
    "stddev",
    "stddev_over_time",
    "stdvar",
    "stdvar_over_time",
    "sum",
    "sum_over_time",
    "tan",
    "tanh",
    "time",
    "timestamp",
    "topk",
    "ts_of_last_over_time",
    "unless",
    "vector",
    "without",
    "year",
];

/// The first thing that is wrong with a query.
pub(super) fn fault(query: &str, language: Language) -> Option<Fault> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut letters = query.char_indices().peekable();
    let mut word = 0..0;
    while let Some((at, letter)) = letters.next() {
        if letter.is_alphanumeric() || matches!(letter, '_' | ':' | '.') {
            word = if word.end == at && !word.is_empty() {
                word.start..at + letter.len_utf8()
            } else {
                at..at + letter.len_utf8()
            };
            continue;
        }
        match letter {
            '"' | '\'' | '`' => {
                let Some(end) = end_of_text(query, at, letter) else {
                    return Some(Fault {
                        at: at..at + 1,
                        why: format!("a text that begins with {letter} does not end"),
                    });
                };
                while letters.next_if(|(next, _)| *next < end).is_some() {}
            }
            '#' if language == Language::PromQl => while letters.next_if(|(_, next)| *next != '\n').is_some() {},
            '-' if language == Language::LogFilter && query[at..].starts_with("--") => {
                while letters.next_if(|(_, next)| *next != '\n').is_some() {}
            }
            '(' | '[' | '{' => {
                if language == Language::PromQl && letter == '(' {
                    let name = query
                        .get(word.clone())
                        .filter(|name| !name.is_empty() && query[word.end..at].trim().is_empty());
                    if let Some(name) = name.filter(|name| !CALLED.contains(&name.to_lowercase().as_str())) {
                        return Some(Fault { at: word, why: format!("there is no function `{name}`") });
                    }
                }
                open.push((at, letter));
            }
            ')' | ']' | '}' => {
                let opened = open.pop();
                let fits =
                    matches!((opened, letter), (Some((_, '(')), ')') | (Some((_, '[')), ']') | (Some((_, '{')), '}'));
                let Some((start, _)) = opened.filter(|_| fits) else {
                    return Some(Fault { at: at..at + 1, why: format!("this {letter} ends nothing") });
                };
                if language == Language::PromQl && letter == ']' && !is_range(&query[start + 1..at]) {
                    let why = format!("`{}` is not a length of time, such as 5m", &query[start + 1..at]);
                    return Some(Fault { at: start..at + 1, why });
                }
            }
            _ => {}
        }
    }
    open.pop().map(|(at, letter)| Fault { at: at..at + 1, why: format!("this {letter} is never closed") })
}

/// Where a quoted text ends, behind its last quotation mark.
fn end_of_text(query: &str, start: usize, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, letter) in query[start + 1..].char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if quote != '`' => is_escaped = true,
            _ if letter == quote => return Some(start + 1 + at + 1),
            _ => {}
        }
    }
    None
}

/// Whether it is what stands between the brackets of a range or a subquery.
fn is_range(text: &str) -> bool {
    let is_length = |text: &str| {
        let mut rest = text.trim();
        while !rest.is_empty() {
            let number = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
            let unit = ["ms", "s", "m", "h", "d", "w", "y"].into_iter().find(|unit| number.starts_with(unit));
            match unit {
                Some(unit) if number.len() < rest.len() => rest = &number[unit.len()..],
                _ => return false,
            }
        }
        true
    };
    match text.split_once(':') {
        Some((range, step)) => !range.trim().is_empty() && is_length(range) && is_length(step),
        None => !text.trim().is_empty() && is_length(text),
    }
}

/// Whether it is a share of failed requests that has no data while none fails.
pub(super) fn is_share_without_zero(query: &str) -> bool {
    let packed: String = query.split_whitespace().collect::<String>().to_lowercase();
    let Some((part, _)) = packed.split_once(")/") else { return false };
    let part = part.replace("!=", "").replace("!~", "");
    let counts_failures =
        ["=\"5xx\"", "='5xx'", "=~\"5", "=~'5", "=\"500\"", "=\"503\""].iter().any(|label| part.contains(label));
    counts_failures && !part.contains("vector(0)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_passes() {
        for query in [
            "sum(rate(run_googleapis_com:request_count{service_name=\"a\",response_code_class=~\"5..\"}[5m]))",
            "histogram_quantile(0.95, sum by (le) (rate(x_bucket{a='b)'}[1h30m:5m])))",
            "(sum(rate(a[5m])) or on() vector(0)) / sum(rate(a[5m])) # ( [",
            "max_over_time(sum(x)[10m:])",
            "{\"run.googleapis.com/request_count\", monitored_resource=\"a\"}",
            "a * on(x) group_left(y) b",
        ] {
            assert_eq!(fault(query, Language::PromQl), None, "{query}");
        }
        let filter =
            "resource.type=\"cloud_run_revision\" AND (severity>=ERROR OR httpRequest.status=503) AND \"Foo(\"";
        assert_eq!(fault(filter, Language::LogFilter), None);
    }

    #[test]
    fn what_is_wrong_is_found_at_its_place() {
        for (query, at) in [
            ("sum(rate(a[5m])", "("),
            ("sum(rate(a[5m])))", ")"),
            ("rate(a[5 minutes])", "[5 minutes]"),
            ("rat(a[5m])", "rat"),
            ("a{b=\"c}", "\""),
            ("rate(a[])", "[]"),
        ] {
            let found = fault(query, Language::PromQl).unwrap();
            assert_eq!(&query[found.at], at, "{query}: {}", found.why);
        }
        assert!(fault("(a=1 AND b=2", Language::LogFilter).is_some());
    }

    #[test]
    fn a_share_of_failures_needs_a_zero() {
        let all = "sum(rate(c[5m]))";
        assert!(is_share_without_zero(&format!("sum(rate(c{{class=\"5xx\"}}[5m])) / {all}")));
        assert!(!is_share_without_zero(&format!("(sum(rate(c{{class=\"5xx\"}}[5m])) or vector(0)) / {all}")));
        assert!(!is_share_without_zero(&format!("1 - sum(rate(c{{class!=\"5xx\"}}[5m])) / {all}")));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(text in "\\PC{0,60}") {
            for language in [Language::PromQl, Language::LogFilter] {
                if let Some(found) = fault(&text, language) {
                    proptest::prop_assert!(text.get(found.at).is_some());
                }
            }
        }
    }
}
