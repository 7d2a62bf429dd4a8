"""One text turn and one tool turn, streamed, by a vendor's own Python package. Prints what it got as one JSON object.

usage: sdk.py chat|responses|messages BASE MODEL [SECONDS of patience between two events]
"""

import json
import sys
import time

TOOL = {"name": "look_up", "description": "Looks a word up.", "schema": {
    "type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"], "additionalProperties": False}}
RESULT = "It means lit-by-42."


def chat(client, model, messages, tools):
    offered = [{"type": "function", "function": {
        "name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}}]
    with client.chat.completions.stream(model=model, messages=messages, **({"tools": offered} if tools else {})) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    calls = message.tool_calls or []
    messages.append(message.model_dump(exclude_none=True))
    for call in calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": RESULT})
    return message.content or "", [(call.function.name, json.loads(call.function.arguments)) for call in calls]


def responses(client, model, items, tools):
    offered = [{"type": "function", "name": TOOL["name"], "description": TOOL["description"],
                "parameters": TOOL["schema"], "strict": True}]
    with client.responses.stream(
        model=model, input=items, store=False, include=["reasoning.encrypted_content"],
        reasoning={"effort": "low", "summary": "auto"}, **({"tools": offered} if tools else {}),
    ) as stream:
        for _ in stream:
            pass
        answer = stream.get_final_response()
    calls = [item for item in answer.output if item.type == "function_call"]
    items.extend(item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in answer.output)
    for item in items:
        for part in item.get("content") or [] if isinstance(item.get("content"), list) else []:
            part.pop("parsed", None)
    for call in calls:
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": RESULT})
    return answer.output_text, [(call.name, json.loads(call.arguments)) for call in calls]


def messages(client, model, turns, tools):
    offered = [{"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["schema"]}]
    with client.messages.stream(
        model=model, max_tokens=4000, messages=turns, thinking={"type": "enabled", "budget_tokens": 1024},
        **({"tools": offered} if tools else {}),
    ) as stream:
        for _ in stream:
            pass
        message = stream.get_final_message()
    calls = [block for block in message.content if block.type == "tool_use"]
    turns.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]})
    for block in turns[-1]["content"]:
        block.pop("parsed_output", None)
    if calls:
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": RESULT} for call in calls]
        turns.append({"role": "user", "content": results})
    text = "".join(block.text for block in message.content if block.type == "text")
    return text, [(call.name, call.input) for call in calls]


def main():
    api, base, model, *patience = sys.argv[1:]
    settings = {"api_key": "no-real-key", "max_retries": 0, "timeout": float(patience[0]) if patience else 30.0}
    if api == "messages":
        import anthropic
        client, turn = anthropic.Anthropic(base_url=base, **settings), messages
    else:
        import openai
        client, turn = openai.OpenAI(base_url=f"{base}/v1", **settings), {"chat": chat, "responses": responses}[api]
    began = time.monotonic()
    said, _ = turn(client, model, [{"role": "user", "content": "Say hello."}], False)
    seconds = time.monotonic() - began
    conversation = [{"role": "user", "content": 'Use TOOL(look_up){"word":"pilot light"} please.'}]
    _, calls = turn(client, model, conversation, True)
    after, _ = turn(client, model, conversation, True)
    print(json.dumps({"text": said, "seconds": seconds, "calls": calls, "after": after}))


if __name__ == "__main__":
    main()
