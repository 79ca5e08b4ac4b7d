// LTI Client Side postMessages: keeps values for the tools in the frames of this page, each origin for itself.
const kept = new Map();
const answers = {
  "lti.capabilities": () => ({ supported_messages: Object.keys(answers).map((subject) => ({ subject })) }),
  "lti.put_data": (origin, { key, value }) => {
    kept.set(`${origin} ${key}`, value);
    return { key, value };
  },
  "lti.get_data": (origin, { key }) => ({ key, value: kept.get(`${origin} ${key}`) }),
};
window.addEventListener("message", (event) => {
  const asked = event.data ?? {};
  if (Object.hasOwn(answers, asked.subject)) {
    const answer = answers[asked.subject](event.origin, asked);
    event.source.postMessage({ subject: `${asked.subject}.response`, message_id: asked.message_id, ...answer }, event.origin);
  }
});
