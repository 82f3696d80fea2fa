// An app of the smallest kind: who the fan is, what the fan does, and which groups that leads to. Chat, poll and
// leaderboard live between the tabs of this browser; a real app has servers for them. What matters here is each track().

/* global Grandstand, document, location, localStorage, URLSearchParams, BroadcastChannel */
const { createClient, InvalidTokenError } = Grandstand;
const $ = (id) => document.getElementById(id);

const OPTIONS = ['Ada Okafor', 'Lin Wei', 'Maria Sol'];
const parameters = new URLSearchParams(location.search);
const clientId = parameters.get('client_id') ?? localStorage.getItem('example-client-id');
const tabs = new BroadcastChannel('example-fan');
const state = { votes: {}, points: {} };
let client;

$('start').addEventListener('submit', (event) => {
  event.preventDefault();
  void enter($('client-id').value, $('access-token').value || undefined);
});

async function enter(id, accessToken) {
  try {
    client = createClient({
      clientId: id,
      accessToken,
      onDrop: ({ reason, activities }) => say(`${activities.length} of your actions could not be counted (${reason}).`),
    });
    show(await client.init());
  } catch (error) {
    $('start').hidden = false;
    say(error instanceof InvalidTokenError ? 'This access token is dead: sign in again.' : error.message);
    return;
  }
  localStorage.setItem('example-client-id', id);
  client.track('session-started');
  client.onProfileGroupsChange(showGroups, { onError: () => {} });
}

function show(profile) {
  say('');
  $('start').hidden = true;
  $('nickname-form').hidden = false;
  document.querySelector('main').hidden = false;
  $('nickname').value = profile.nickname;
  client.track('leaderboard-viewed');
  draw();
}

$('nickname-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const profile = await client
    .updateUserProfile({ options: { nickname: $('nickname').value } })
    .catch((error) => say(error.message));
  if (profile) say(`You are ${profile.nickname} now.`);
});

$('sign-out').addEventListener('click', async () => {
  await client.signOut();
  location.href = location.pathname;
});

$('chat').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value;
  $('text').value = '';
  client.track('chat-message-created', { data: { room: 'match' } });
  publish({ kind: 'chat', nickname: client.profile.nickname, text });
});

for (const option of OPTIONS) {
  const button = document.createElement('button');
  const share = document.createElement('progress');
  share.setAttribute('aria-hidden', 'true'); // the number says it
  button.append(share, element('span', option), element('span', '0'));
  button.addEventListener('click', () => {
    client.track('poll-voted', { data: { poll: 'player-of-the-match', option } });
    publish({ kind: 'vote', nickname: client.profile.nickname, option });
  });
  const item = document.createElement('li');
  item.append(button);
  $('options').append(item);
}

/** Here and in the other tabs. */
function publish(event) {
  tabs.postMessage(event);
  receive(event);
}
tabs.onmessage = ({ data }) => receive(data);

function receive({ kind, nickname, text, option }) {
  if (kind === 'vote') state.votes[option] = (state.votes[option] ?? 0) + 1;
  if (kind === 'chat') {
    const item = element('li');
    item.append(element('strong', nickname), ` ${text}`);
    $('messages').append(item);
    item.scrollIntoView({ block: 'nearest' });
  }
  state.points[nickname] = (state.points[nickname] ?? 0) + 1;
  draw();
}

function draw() {
  const total = Object.values(state.votes).reduce((sum, votes) => sum + votes, 0);
  OPTIONS.forEach((option, i) => {
    const votes = state.votes[option] ?? 0;
    const [share, , count] = $('options').children[i].firstChild.children;
    share.value = total === 0 ? 0 : votes / total;
    count.textContent = votes;
  });
  const best = Object.entries(state.points).sort((a, b) => b[1] - a[1]);
  $('no-points').hidden = best.length > 0;
  $('board').replaceChildren(...best.slice(0, 10).map(([nickname, points]) => place(nickname, points)));
}

function place(nickname, points) {
  const item = element('li');
  if (nickname === client.profile?.nickname) item.className = 'mine';
  item.append(element('span', nickname), element('span', points));
  return item;
}

function showGroups({ groups, entered }) {
  $('groups').replaceChildren(...groups.map((group) => element('li', group.group_name)));
  $('no-groups').hidden = groups.length > 0;
  if (entered.length > 0) say(`Welcome to ${entered.map((group) => group.group_name).join(', ')}!`);
}

function element(name, text = '') {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function say(text) {
  $('message').textContent = text;
}

if (clientId) void enter(clientId, parameters.get('access_token') ?? undefined);
else $('start').hidden = false;
