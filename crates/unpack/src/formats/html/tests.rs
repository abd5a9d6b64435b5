use std::fmt::Write;

use super::extract::{Extract, Found};
use crate::unpacked::Context;

fn read(html: &str) -> Found {
    let mut extract = Extract::new(0, 1 << 20);
    extract.read(html);
    extract.finish()
}

fn references(html: &str) -> Vec<String> {
    read(html)
        .references
        .iter()
        .map(|reference| {
            let mut line = format!("{} {}", reference.context.name(), reference.raw);
            if let Some(text) = &reference.text {
                write!(line, " [{text}]").unwrap();
            }
            line.push_str(if reference.hidden { " hidden" } else { "" });
            line.push_str(if reference.conditional {
                " conditional"
            } else {
                ""
            });
            line
        })
        .collect()
}

#[test]
fn visible_text_is_what_a_reader_sees() {
    for (html, visible, hidden) in [
        ("<p>one<p>two<br>three", "one\n\ntwo\nthree", ""),
        ("<b>sp</b>lit <i>wo</i>rds", "split words", ""),
        ("&lt;a&gt; &amp;amp; &eacute;&#x41;", "<a> &amp; éA", ""),
        ("a<span style='display:none'>b</span>c", "ac", "b"),
        ("g<span style=\"font-size:0\">x</span>ov.az", "gov.az", "x"),
        (
            "<div style='font-size:0'><span style='font-size:14px'>shown</span>not</div>",
            "shown",
            "not",
        ),
        (
            "<div style='visibility:hidden'>a<b style='visibility:visible'>b</b></div>",
            "b",
            "a",
        ),
        ("<div hidden>a<div>b</div>c</div>d", "d", "a\nb\nc"),
        (
            "<style>.pre{display:none}</style><div class='x pre'>preheader</div>body",
            "body",
            "preheader",
        ),
        (
            "<style>@media print{.m{display:none}}</style><p class=m>text",
            "text",
            "",
        ),
        (
            "<title>t</title><script>s()</script><template>u</template>v<noscript>w</noscript>",
            "vw",
            "t u",
        ),
        ("<p style='display:none'>a<div>b", "b", "a"),
        ("<div><span style='display:none'>a</div>b", "b", "a"),
        (
            "<table><tr><td style='display:none'>a<td>b<tr><td>c</table>",
            "b\nc",
            "a",
        ),
        ("<textarea>typed</textarea>", "typed", ""),
        ("a<!-- b -->c<![CDATA[d]]>", "ac", ""),
        (
            "<!--[if mso]><p>for outlook</p><![endif]--><p>all",
            "for outlook\n\nall",
            "",
        ),
        ("pass&#8203;word&shy;s", "passwords", ""),
        ("unclosed <a href='x", "unclosed", ""),
        ("", "", ""),
    ] {
        let found = read(html);
        assert_eq!(
            (found.visible.trim(), found.hidden.trim()),
            (visible, hidden),
            "{html}"
        );
    }
}

#[test]
fn references_are_found_wherever_they_stand() {
    for (html, expected) in [
        (
            "<a href='http://evil.example/'>http://<b>good</b>.example</a>",
            vec!["href http://evil.example/ [http://good.example]"],
        ),
        (
            "<a href=' https&#58;//example&#46;com/x '>a</a>",
            vec!["href https://example.com/x [a]"],
        ),
        (
            "<a href=x>one<a href=y>two",
            vec!["href x [one]", "href y [two]"],
        ),
        ("<a href='a' href='b'>x</a>", vec!["href a [x]"]),
        (
            "<base href='https://b.example/'><a href=login>x</a>",
            vec!["base https://b.example/", "href login [x]"],
        ),
        (
            "<form action=f><button formaction=g>",
            vec!["action f", "action g"],
        ),
        (
            "<img src=i srcset='j 1x, k 2x'><td background=b>",
            vec!["image i", "image j", "image k", "image b"],
        ),
        (
            "<a href=h style='display:none'>x</a>",
            vec!["href h hidden"],
        ),
        (
            "<meta http-equiv=Refresh content='0; URL = \"https://r.example/\"'>",
            vec!["meta-refresh https://r.example/"],
        ),
        ("<meta http-equiv=refresh content=5>", vec![]),
        (
            "<area href=m><iframe src=f></iframe><object data=o></object><embed src=e>",
            vec!["image-map m", "frame f", "frame o", "frame e"],
        ),
        (
            "<link rel=StyleSheet href=c><div style='background:url(d)'>",
            vec!["style c", "image d"],
        ),
        (
            "<style>@import 'i'; p{background:url(j)}</style>",
            vec!["style i", "style j"],
        ),
        ("<!--<a href=c>x</a>-->", vec![]),
        (
            "<!--[if gte mso 9]><a href=m>x</a><![endif]-->",
            vec!["href m [x] conditional"],
        ),
        (
            "<!--[if !mso]><!--><a href=n>x</a><!--<![endif]-->",
            vec!["href n [x]"],
        ),
        (
            "<script src=s></script><script>location='https://t.example/'</script>",
            vec!["script s", "script-text https://t.example/"],
        ),
        (
            "<svg><a xlink:href=v>x</a><image href=w /></svg><a href=z>",
            vec!["svg v [x]", "svg w", "href z"],
        ),
        ("<v:rect href=v><v:fill src=w>", vec!["vml v", "vml w"]),
        (
            "<iframe srcdoc='<a href=q>x</a>'></iframe><a href=r>y</a>",
            vec!["href q [x]", "href r [y]"],
        ),
        ("<noscript><a href=n>x</a></noscript>", vec!["href n [x]"]),
        ("<a data-saferedirecturl=g href=u>x</a>", vec!["href u [x]"]),
        ("<a>no link</a>", vec![]),
    ] {
        assert_eq!(references(html), expected, "{html}");
    }
}

#[test]
fn features_are_counted() {
    let features = read(
        "<base href=b><form><input><input type=password><input type=hidden></form><select></select>\
         <script>x=new Blob([atob('')]);</script><a href=x download onclick=y onmouseover=z>l</a>\
         <img src=p width=1 height=1px><iframe></iframe><svg></svg><p style='display:none'>h</p>\
         <p style='font-size:0'>z</p><!--[if mso]>m<![endif]--><meta http-equiv=refresh content='0;url=u'>\
         <table><tr><td bgcolor=#000></td><td bgcolor=#000>x</td></tr></table><img src='data:image/png;base64,AAAA'>",
    )
    .features;
    assert_eq!(
        (features.forms, features.inputs, features.password_inputs),
        (1, 3, 1)
    );
    assert_eq!(
        (
            features.scripts,
            features.smuggling_calls,
            features.event_handlers,
            features.downloads
        ),
        (1, 2, 2, 1)
    );
    assert_eq!(
        (
            features.images,
            features.tracking_pixels,
            features.frames,
            features.svg
        ),
        (2, 1, 1, 1)
    );
    assert_eq!(
        (
            features.hidden_elements,
            features.zero_font,
            features.conditional_comments
        ),
        (2, 1, 1)
    );
    assert_eq!(
        (
            features.meta_refresh,
            features.bases,
            features.links,
            features.empty_coloured_cells
        ),
        (1, 1, 1, 1)
    );
    assert_eq!(
        (features.data_urls, features.base_href.as_deref()),
        (1, Some("b"))
    );
}

#[test]
fn the_content_of_data_urls_is_decoded() {
    let found = read("<iframe src='data:text/html;base64,PGEgaHJlZj14Pg=='></iframe>");
    assert_eq!(found.data_urls.len(), 1);
    assert_eq!(found.data_urls[0].bytes, b"<a href=x>");
    assert_eq!(found.references[0].context, Context::Frame);
}

/// Each of these is quadratic, or deep, for a reader that is not careful. None of them is timed: a careless one
/// would take hours or overflow the stack.
#[test]
fn no_markup_is_expensive() {
    let repeat = |text: &str, count: usize| text.repeat(count);
    for (name, html) in [
        ("unclosed tags", repeat("<b>", 1_000_000)),
        ("stray end tags", repeat("<div></b></i>", 100_000)),
        (
            "nested elements",
            repeat("<div style='color:red'>", 100_000),
        ),
        (
            "nested, then closed",
            repeat("<div>", 100_000) + &repeat("</div>", 100_000),
        ),
        ("unclosed links", repeat("<a href=x>y", 100_000)),
        (
            "one long attribute",
            format!("<a href='{}'>", repeat("x", 10_000_000)),
        ),
        (
            "many attributes",
            format!("<a {}href=y>", repeat("onx=1 href=x ", 100_000)),
        ),
        (
            "unclosed urls in style",
            format!("<p style='{}'>", repeat("url(", 1_000_000)),
        ),
        (
            "unclosed comments in css",
            format!("<style>{}</style>", repeat("/*{", 1_000_000)),
        ),
        (
            "rules",
            format!(
                "<style>{}</style><p class='{}'>",
                repeat(".a{display:none}", 200_000),
                repeat("a ", 100_000)
            ),
        ),
        ("unclosed comment", repeat("<!--", 200_000)),
        ("conditional comments", repeat("<!--[if mso]>", 50_000)),
        (
            "unclosed quotes in script",
            format!("<script>{}</script>", repeat("atob('http://", 300_000)),
        ),
        ("entities", repeat("&amp", 200_000)),
        (
            "inner documents",
            repeat("<iframe srcdoc='<noscript>", 100_000),
        ),
        ("names", (0..100_000).map(|n| format!("<x{n}>")).collect()),
    ] {
        let found = read(&html);
        assert!(found.visible.len() <= 1 << 20, "{name}");
    }
}
