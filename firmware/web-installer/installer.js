// Gives the install button the manifest of the board and the kind of installation that are chosen on the page.

const form = document.getElementById('install');
const installer = document.querySelector('esp-web-install-button');
const action = installer.querySelector('.action');

function choose() {
  const { board, kind } = form.elements;
  // Nothing is chosen to begin with when a chip fits several boards.
  action.disabled = !form.checkValidity();
  installer.setAttribute('manifest', board.value + kind.value);
}

form.addEventListener('change', choose);
form.addEventListener('submit', (event) => event.preventDefault());
choose();
