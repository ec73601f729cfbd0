// Gives the install button the manifest of the board and the kind of installation that are chosen on the page.
// Whether files are erased is chosen there too: a board that says that it has this firmware already is treated no
// differently, or the dialog would offer to erase it only, or to write the files of a new board without saying so.

const form = document.getElementById('install');
const installer = document.querySelector('esp-web-install-button');
const action = installer.querySelector('.action');

function choose() {
  const { board, kind } = form.elements;
  // Nothing is chosen to begin with when a chip fits several boards.
  action.disabled = !form.checkValidity();
  installer.setAttribute('manifest', board.value + kind.value);
}

installer.overrides = { checkSameFirmware: () => false };
form.addEventListener('change', choose);
form.addEventListener('submit', (event) => event.preventDefault());
choose();
