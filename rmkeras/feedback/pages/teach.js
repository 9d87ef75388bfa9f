// Renews the figures without touching what the teacher is typing.
const live = document.getElementById("live");

async function renew() {
  const now = document.getElementById("now");
  const inside = now.contains(document.activeElement) && document.activeElement !== document.body;
  if (!live.checked || document.hidden || inside || getSelection().toString()) return;
  try {
    const response = await fetch("/teach");
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("now");
    // Only our own server's page, in which every text is escaped.
    if (fresh) now.replaceWith(document.adoptNode(fresh));
  } catch { /* The server is away; the next round tries again. */ }
}
setInterval(renew, 5000);

for (const field of document.querySelectorAll(".links input[readonly]")) {
  field.onfocus = () => field.select();
}
