//! OpenMetrics text to Prometheus text 0.0.4, for scrapers that know only the older form.

/// Exemplars are left out, and the forms differ in the name of a counter's family (`x` there, `x_total` here), in the names
/// of two types, and in the lines `# UNIT` and `# EOF`, which the older form does not have.
pub(super) fn to_prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').or(Some((rest, "")));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, words)) = help.take() {
                text.push_str(&format!("# HELP {name}{suffix} {words}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with("# UNIT ") && line != "# EOF" {
            text.push_str(line.split_once(" # {").map_or(line, |(sample, _)| sample));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::to_prometheus;

    #[test]
    fn counters_get_their_suffix_in_the_type_line() {
        let open = "# HELP a Things.\n# TYPE a counter\n# UNIT a things\na_total{x=\"1\"} 2\n\
                    # HELP b Size.\n# TYPE b gauge\nb 1\n# TYPE c unknown\nc 3\n\
                    # TYPE d histogram\nd_bucket{le=\"1\"} 4 # {trace_id=\"ab\"} 0.5\n# EOF\n";
        let plain = "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"1\"} 2\n\
                     # HELP b Size.\n# TYPE b gauge\nb 1\n# TYPE c untyped\nc 3\n\
                     # TYPE d histogram\nd_bucket{le=\"1\"} 4\n";
        assert_eq!(to_prometheus(open), plain);
    }
}
