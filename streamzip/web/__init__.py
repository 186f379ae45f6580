"""The pages' face: templates, texts, style and script. What is shown is handed in; nothing of the gateway is known."""
