"""Signing in, by password or by a one-time link, and signing out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods
from typing_extensions import override

from rollcast.access import audit
from rollcast.access.links import InvalidLink, redeem
from rollcast.access.permissions import may_operate
from rollcast.conf import option


@method_decorator(never_cache, name="dispatch")
class SignIn(LoginView):
    """The password form, also for who is signed in already: somebody else may want to sign in."""

    template_name = "access/sign_in.html"
    redirect_authenticated_user = False

    @override
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The form's context and the frame around it."""
        own = {"base_template": option("BASE_TEMPLATE"), "operator": may_operate(self.request.user)}
        return super().get_context_data(**kwargs) | own

    @override
    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """The name and password were right."""
        _record(form.get_user().get_username(), "password")
        return super().form_valid(form)


class SignOut(LogoutView):
    """Sign out, by POST only, and go to the sign-in page."""

    next_page = "access:sign_in"


@login_not_required
@sensitive_variables("token")
@never_cache
@require_http_methods(["GET", "POST"])
def sign_in_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button and uses nothing up: mail scanners follow links. POST signs in, once."""
    context = {"base_template": option("BASE_TEMPLATE")}
    if request.method != "POST":
        response = render(request, "access/sign_in_link.html", context)
    else:
        try:
            user = redeem(token)
        except InvalidLink:
            response = render(request, "access/sign_in_link_invalid.html", context, status=410)
        else:
            # The link was the proof. The backend only loads the user later, which any of the project's can.
            login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
            _record(user.get_username(), "link")
            response = redirect(resolve_url(settings.LOGIN_REDIRECT_URL))
    # The address holds the token: no other site may see it.
    response["Referrer-Policy"] = "no-referrer"
    return response


def _record(username: str, by: str) -> None:
    audit.record(f"user:{username}", "user.signed_in", f"user/{username}", {"by": by})
