// A form that filters while one types stays where it is: its fields are invalid as long as the answer says so.
document.addEventListener("htmx:after:swap", () => {
  for (const field of document.querySelectorAll(".filters [name]")) {
    const problem = document.getElementById(`problem-${field.id}`);
    if (problem) {
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", problem.id);
    } else {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
    }
  }
});
