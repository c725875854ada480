// Signs in: by itself with a one-time code, or with the token a person types.
const answer = document.getElementById("answer");
const form = document.getElementById("door");
const session = location.pathname.match(/^\/s\/([a-z0-9-]{1,63})\/?$/);

async function enter(fields) {
  const response = await fetch("/login", { method: "POST", body: new URLSearchParams(fields) });
  if (!response.ok) return false;
  const page = (await response.json()).page;
  location.replace(session && page === "/" ? location.pathname : page);
  return true;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  answer.textContent = "";
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    if (!(await enter({ token: form.token.value.trim() }))) {
      answer.textContent = "This token is not valid here, or no longer.";
      form.token.select();
    }
  } catch {
    answer.textContent = "The gateway does not answer.";
  } finally {
    button.disabled = false;
  }
});

const code = new URLSearchParams(location.hash.slice(1)).get("code") ?? new URLSearchParams(location.search).get("code");
if (code) {
  history.replaceState(null, "", location.pathname);
  if (!(await enter({ code }))) answer.textContent = "This link was used before or is older than a minute. Sign in with the token.";
} else if (session) {
  // Somebody who is signed in to the fleet may watch each session.
  const response = await fetch(`/api/sessions/${session[1]}/watch`, { method: "POST" });
  if (response.ok) location.reload();
}
