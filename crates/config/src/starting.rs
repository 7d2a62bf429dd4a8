//! The configuration that is written where there is none.

/// The recommended one: LM Studio with MiniMax M2.1 over the Responses API. The values are those of OpenClaw's page
/// "Local models" of February 2026.
pub(crate) const STARTING: &str = r#"// The models that Pilot Light knows, in the shape of OpenClaw's own openclaw.json: you can copy parts from one to
// the other. Edit it as you like; a change is live within a second, and Pilot Light itself changes nothing here but
// what you ask it to. `pilotlight config check` says what is wrong with it.
{
  agents: {
    defaults: {
      model: {
        // What answers requests for "primary": a model ref (provider/model) or an alias from below.
        primary: "lmstudio/minimax-m2.1-gs32",

        // What answers when the primary cannot, in this order. A hosted model here also answers while a local one
        // loads. Such an answer leaves this machine and costs money, so this is yours to switch on: set
        // ANTHROPIC_API_KEY and take away the slashes.
        // fallbacks: ["anthropic/claude-sonnet-4-5"],
      },
      models: {
        // Short names, to ask for a model by and to show in menus.
        "lmstudio/minimax-m2.1-gs32": { alias: "Minimax" },
        // "anthropic/claude-sonnet-4-5": { alias: "Sonnet" },
      },
    },
  },
  models: {
    // merge: the models below, and those of hosted providers. replace: only those below.
    mode: "merge",
    providers: {
      // LM Studio, with its local server switched on.
      lmstudio: {
        baseUrl: "http://127.0.0.1:1234/v1",
        apiKey: "lmstudio", // LM Studio asks for none; write "${NAME}" to take a key from a variable
        api: "openai-responses", // keeps reasoning apart from the final text
        models: [
          {
            id: "minimax-m2.1-gs32", // as LM Studio lists it
            name: "MiniMax M2.1 GS32",
            reasoning: false,
            input: ["text"],
            cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }, // US$ per million tokens
            contextWindow: 196608, // lower it if your build has less
            maxTokens: 8192,
          },
        ],
      },
    },
  },
}
"#;
