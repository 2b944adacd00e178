# Consumers of OAuth 1.0a made of Debian's Net::OAuth, with LWP to send what it
# signs. How it talks with the test is in node/talk.mjs.
use strict;
use warnings;

use JSON::PP;
use LWP::UserAgent;
use Net::OAuth;
use Net::OAuth::AccessTokenResponse;
use URI;

$Net::OAuth::PROTOCOL_VERSION = Net::OAuth::PROTOCOL_VERSION_1_0A;
$| = 1;

# The library refuses what it does not know.
Net::OAuth::AccessTokenResponse->add_optional_message_params('expires_in');

my $json = JSON::PP->new->utf8->canonical;
my $browser = LWP::UserAgent->new(timeout => 60);

sub say_json { print $json->encode($_[0]), "\n" }

# send_signed signs a request and sends it where the parameters are to be.
sub send_signed {
    my ($c, $place, $kind, $method, $url, %more) = @_;
    my $request = Net::OAuth->request($kind)->new(
        consumer_key => $c->{key}, consumer_secret => $c->{secret}, signature_method => $c->{method},
        request_method => $method, request_url => $url, timestamp => time, nonce => join('', map { int rand 10 } 1 .. 20), %more,
    );
    $request->sign;
    my $extra = $more{extra_params} || {};
    if ($place eq 'header') {
        my @header = (Authorization => $request->to_authorization_header);
        return $method eq 'GET' ? do { my $u = URI->new($url); $u->query_form($extra); $browser->get($u, @header) } : $browser->post($url, $extra, @header);
    }
    if ($place eq 'query') {
        my $signed = $request->to_url;
        return $method eq 'GET' ? $browser->get($signed) : $browser->post($signed);
    }
    return $browser->post($url, Content_Type => 'application/x-www-form-urlencoded', Content => $request->to_post_body);
}

sub must {
    my ($answer) = @_;
    die $answer->status_line . ' ' . $answer->decoded_content . "\n" unless $answer->is_success;
    return $answer->decoded_content;
}

sub flow {
    my ($c, $place, $secrets) = @_;
    my $answer = must(send_signed($c, $place, 'request token', 'POST', $c->{requestToken}, callback => $c->{callback}));
    my $request = Net::OAuth->response('request token')->from_post_body($answer);
    die "not confirmed: $answer" unless $request->callback_confirmed eq 'true';
    say_json({ open => $c->{authorize} . '?oauth_token=' . $request->token });
    my %callback = URI->new($json->decode(scalar <STDIN>)->{callback})->query_form;
    $answer = must(send_signed($c, $place, 'access token', 'POST', $c->{accessToken},
        token => $request->token, token_secret => $request->token_secret, verifier => $callback{oauth_verifier}));
    my $access = Net::OAuth->response('access token')->from_post_body($answer);
    push @$secrets, $access->token_secret;
    my @with = (token => $access->token, extra_params => { name => 'a b!', empty => '', plus => '+~' });
    my $method = $place eq 'body' ? 'POST' : 'GET';
    my $got = must(send_signed($c, $place, 'protected resource', $method, $c->{resource}, @with, token_secret => $access->token_secret));
    my $wrong = send_signed($c, $place, 'protected resource', $method, $c->{resource}, @with, token_secret => 'wrong');
    die $wrong->status_line unless $wrong->code == 401;
    return $json->decode($got)->{sub};
}

say_json({ flows => [ 'HMAC-SHA1, header', 'HMAC-SHA1, body', 'HMAC-SHA1, query', 'HMAC-SHA256, header' ] });
while (my $line = <STDIN>) {
    my $call = $json->decode($line);
    my @secrets;
    my $subject = eval { flow($call->{consumer}, (split /, /, $call->{flow})[1], \@secrets) };
    say_json($@ ? { failed => "$@" } : { done => { subject => $subject, secrets => \@secrets } });
}
