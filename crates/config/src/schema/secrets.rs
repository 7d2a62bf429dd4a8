//! Secret refs, and `secrets`, which says where they lead. September alone has them.
//!
//! Source: the schema in the npm package `openclaw@2026.9.6`.

use super::rules::{is_absolute_path, is_exec_id, is_executable, is_file_id, is_host, is_secret_provider, is_variable};
use super::shape::{FILLED, In, Key, Rule, Shape, TEXT, TEXT_MAP, both, count_to};

const SEP: In = In::September;

const VARIABLE: Shape = Shape::Text(Rule::Like(is_variable, "a variable's name in capitals, such as OPENAI_API_KEY"));
const PROVIDER_NAME: Shape =
    Shape::Text(Rule::Like(is_secret_provider, "a name in small letters, such as \"default\""));

const fn reference(id: Shape) -> [Key; 2] {
    [both("provider", PROVIDER_NAME).required(), both("id", id).required()]
}

/// A key, written out or kept elsewhere.
pub(super) const SECRET: Shape = Shape::OneOf(&[
    TEXT,
    Shape::Tagged {
        tag: "source",
        of: &[
            ("env", Shape::Object(&reference(VARIABLE))),
            (
                "file",
                Shape::Object(&reference(Shape::Text(Rule::Like(
                    is_file_id,
                    "a pointer into the file such as /openai/key, or \"value\"",
                )))),
            ),
            (
                "exec",
                Shape::Object(&reference(Shape::Text(Rule::Like(is_exec_id, "an id such as vault/openai/api-key")))),
            ),
            ("store", Shape::Object(&reference(VARIABLE))),
        ],
    },
]);

pub(super) const SECRETS: Shape = Shape::Object(&[
    both(
        "egressProxy",
        Shape::Object(&[both("enabled", Shape::Bool), both("allowedHosts", HOSTS), both("bypassHosts", HOSTS)]),
    ),
    both("providers", Shape::Map { value: &PROVIDER, key: Rule::Free }),
    both(
        "defaults",
        Shape::Object(&[
            both("env", PROVIDER_NAME),
            both("file", PROVIDER_NAME),
            both("exec", PROVIDER_NAME),
            both("store", PROVIDER_NAME),
        ]),
    ),
]);

const HOSTS: Shape =
    Shape::List { item: &Shape::Text(Rule::Like(is_host, "one host's name, with nothing around it")), most: Some(256) };
const MILLISECONDS: Shape = count_to(120_000.0);
const BYTES: Shape = count_to(20_971_520.0);
const PATH: Shape = Shape::Text(Rule::Like(is_absolute_path, "an absolute path"));

const PROVIDER: Shape = Shape::Tagged {
    tag: "source",
    of: &[
        ("env", Shape::Object(&[both("allowlist", Shape::List { item: &VARIABLE, most: Some(256) })])),
        (
            "file",
            Shape::Object(&[
                both("path", FILLED).required(),
                both("mode", Shape::Word(&[("singleValue", SEP), ("json", SEP)])),
                both("timeoutMs", MILLISECONDS),
                both("maxBytes", BYTES),
            ]),
        ),
        (
            "exec",
            Shape::OneOf(&[
                Shape::Object(&[
                    both("command", Shape::Text(Rule::Like(is_executable, "an absolute path with no shell in it")))
                        .required(),
                    both("args", Shape::List { item: &Shape::Text(Rule::AtMost(1024)), most: Some(128) }),
                    both("timeoutMs", MILLISECONDS),
                    both("noOutputTimeoutMs", MILLISECONDS),
                    both("maxOutputBytes", BYTES),
                    both("jsonOnly", Shape::Bool),
                    both("env", TEXT_MAP),
                    both("passEnv", Shape::List { item: &VARIABLE, most: Some(128) }),
                    both("trustedDirs", Shape::List { item: &PATH, most: Some(64) }),
                ]),
                Shape::Object(&[both(
                    "pluginIntegration",
                    Shape::Object(&[
                        both("pluginId", Shape::Text(Rule::Filled(128))).required(),
                        both("integrationId", Shape::Text(Rule::Filled(128))).required(),
                    ]),
                )
                .required()]),
            ]),
        ),
        ("store", Shape::Object(&[])),
    ],
};
