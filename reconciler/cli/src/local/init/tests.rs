use super::*;

use moorline_model::bootstrap::Bootstrap;
use moorline_plan::preflight;

fn surroundings(url: Option<&str>, has_key: bool) -> Surroundings {
    Surroundings {
        provider_url: url.map(str::to_owned),
        has_provider_key: has_key,
        ..Surroundings::read(Path::new("/srv/deploy: a \"checkout\""), |_| None)
    }
}

fn found(url: &str) -> Found {
    Found {
        url: url.to_owned(),
        branch: "release/1.0".to_owned(),
        remote: None,
        is_repository: true,
        is_https: true,
    }
}

#[test]
fn the_files_fit_each_other_whatever_the_surroundings_are() {
    let hash = "5f".to_owned() + &"c1d2".repeat(15) + "07";
    for (url, has_key) in [
        (None, true),
        (None, false),
        (Some("http://127.0.0.1:11434/v1"), false),
        (Some("http://x:1/v1"), true),
    ] {
        for model in ["gpt-4o-mini", "llama3.2:1b", "true", "7b"] {
            let surroundings = surroundings(url, has_key);
            let file = documents::gateway(&surroundings, model, &hash);
            let document = Config::parse_new(&[Source { name: "g", text: &file.text }]);
            let document = document.unwrap_or_else(|mistakes| panic!("{mistakes}\n{}", file.text));
            let has_reference = !document.references().is_empty();
            assert_eq!(has_reference, has_key || url.is_none(), "{}", file.text);
            assert_eq!(documents::probed_model(&document).as_deref(), Some(model));
            let file = documents::declaration(&surroundings, None, model);
            let declaration = Declaration::parse("m", &file.text);
            let declaration = declaration.unwrap_or_else(|mistakes| panic!("{mistakes}\n{}", file.text));
            let environment = &declaration.environments[0];
            assert_eq!(preflight::errors(environment, &document), []);
            let file = documents::settings(&surroundings, &found("https://example.com/a b.git"));
            let settings = Bootstrap::parse(&[Source { name: "d", text: &file.text }]);
            let settings = settings.unwrap_or_else(|mistakes| panic!("{mistakes}\n{}", file.text));
            assert_eq!(settings.repository.branch, "release/1.0");
            let known = |_: &_| Some(hash.clone());
            assert_eq!(preflight::warnings(environment, Some(&document), Some(&settings), &known), []);
        }
    }
}

#[test]
fn a_gateway_in_terraform_is_declared_where_it_stands() {
    let module = RootModule {
        directory: "infra".to_owned(),
        gateways: vec!["module.gateway.openai_gateway.this".to_owned()],
        providers: ["moorline/openai".to_owned()].into(),
    };
    let file = documents::declaration(&surroundings(None, true), Some(&module), "gpt-4o-mini");
    let declaration = Declaration::parse("m", &file.text);
    let declaration = declaration.unwrap_or_else(|mistakes| panic!("{mistakes}\n{}", file.text));
    let environment = &declaration.environments[0];
    let terraform = environment.terraform.as_ref().unwrap();
    assert_eq!(
        (terraform.directory.as_str(), terraform.allow.providers.as_slice()),
        ("infra", &["moorline/openai".to_owned()][..])
    );
    assert_eq!(environment.gateway.document, Document::Terraform { terraform: module.gateways[0].clone() });
}

#[test]
fn what_is_given_to_a_shell_is_one_word() {
    for (text, word) in [("abc-1", "abc-1"), ("a b", "'a b'"), ("it's $(x)", r"'it'\''s $(x)'"), ("", "''")] {
        assert_eq!(made::shell(text), word);
    }
}
