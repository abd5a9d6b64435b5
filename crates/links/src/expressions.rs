use crate::host;

/// Which parent hosts an expression is formed from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hosts {
    /// Safe Browsing v4: the last five labels, and shorter.
    LastFive,
    /// Safe Browsing v5: the registrable domain, and up to three labels more.
    Registrable,
}

/// Host suffixes looked up beside the exact host.
const PARENT_HOSTS: usize = 4;
/// Path prefixes looked up beside the exact path, the root among them.
const PATH_PREFIXES: usize = 4;

/// The host-suffix and path-prefix combinations under which a block list may know a URL: at most 30, most
/// specific first. All arguments in canonical form.
pub fn expressions(host: &str, path: &str, query: Option<&str>, hosts: Hosts) -> Vec<String> {
    let paths = paths(path, query);
    let mut out = Vec::with_capacity(6 * paths.len());
    for host in std::iter::once(host).chain(parents(host, hosts)) {
        out.extend(paths.iter().map(|path| format!("{host}{path}")));
    }
    out
}

fn parents(host: &str, hosts: Hosts) -> Vec<&str> {
    if host.starts_with('[') || host::ipv4(host.as_bytes()).is_some() {
        return Vec::new();
    }
    // Every proper suffix, longest first: `b.c.d`, `c.d`, `d`.
    let suffixes: Vec<&str> = host
        .match_indices('.')
        .filter_map(|(dot, _)| host.get(dot + 1..))
        .collect();
    match hosts {
        Hosts::LastFive => {
            // Never the top level alone; the exact host counts among the five labels.
            let above_top = suffixes.len().saturating_sub(1);
            let skip = above_top.saturating_sub(PARENT_HOSTS);
            suffixes.into_iter().take(above_top).skip(skip).collect()
        }
        Hosts::Registrable => {
            let Some(registrable) = psl::domain_str(host) else {
                return Vec::new();
            };
            let usable = suffixes
                .iter()
                .filter(|suffix| suffix.len() >= registrable.len())
                .count();
            let skip = usable.saturating_sub(PARENT_HOSTS);
            suffixes.into_iter().take(usable).skip(skip).collect()
        }
    }
}

fn paths(path: &str, query: Option<&str>) -> Vec<String> {
    let mut out: Vec<String> = query
        .map(|query| format!("{path}?{query}"))
        .into_iter()
        .collect();
    out.push(path.to_owned());
    for (slash, _) in path.match_indices('/').take(PATH_PREFIXES) {
        if let Some(prefix) = path.get(..=slash)
            && prefix != path
        {
            out.push(prefix.to_owned());
        }
    }
    out
}
